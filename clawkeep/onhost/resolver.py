"""The resolver on the host: dnsmasq, there exactly while the policy says `dns: resolver`.

`refresh` is called after the rules are in force: it writes dnsmasq.conf and has the job loaded.
`clawkeep resolver` is the job's program: it waits until the configuration of *this* boot is there,
and the gateway with it, and becomes dnsmasq.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from clawkeep.link import Link
from clawkeep.onhost import jobs, paths, store
from clawkeep.onhost.service import Service, digest
from clawkeep.policy import RESOLVER_PORT, Openings, Policy
from clawkeep.render.dnsmasq import DNSMASQ, LOG_DIR, dnsmasq_conf, names
from clawkeep.traffic.formats import RESOLVER_ENVIRONMENT

RESOLVER = Service(
    "resolver", DNSMASQ, paths.DNSMASQ_CONF, paths.RUN / "resolver.json", RESOLVER_PORT
)

#: A guest that asks too early is refused, and the canary says so.
LISTEN_S = 5


def refresh(policy: Policy, openings: Openings, link: Link | None) -> list[str]:
    """Have the resolver know exactly the declared names, or not be there; return what was changed.

    Call it with the lock held and the rules in force. Starts no program when nothing changed.
    Raises OSError, RuntimeError, SubprocessError; then it answers nothing at all.
    """
    if link is None or not openings.resolver:
        return ["the resolver was ended"] if RESOLVER.stop() else []
    plist = RESOLVER.daemon(policy.bridge_user)
    text = dnsmasq_conf(openings, link, user=policy.bridge_user)
    note = {"digest": digest(text)}
    same = store.read(RESOLVER.conf) == text and RESOLVER.told() == {**note, "heard": True}
    if same and jobs.current(RESOLVER.label, plist):
        return []
    try:
        RESOLVER.install(text, lambda conf: problem(conf, policy.bridge_user))
    except (OSError, RuntimeError, subprocess.SubprocessError):
        # What it answers now may no longer be declared.
        RESOLVER.stop()
        raise

    def start() -> str:
        if jobs.load(RESOLVER.label, plist):
            return "started"
        jobs.restart([RESOLVER.label])
        return "started anew"

    did = RESOLVER.tell(note, start)
    heard = RESOLVER.listening(link.gateway, LISTEN_S)
    late = "" if heard else f"; it does not listen yet, see {LOG_DIR}/resolver.err.log"
    return [f"the resolver was {did}: {len(names(openings))} names{late}"]


def main(arguments: Sequence[str]) -> int:
    """Run as `resolver`: become dnsmasq once there are this boot's configuration and a gateway."""
    if arguments:
        sys.stderr.write("usage: clawkeep resolver\n")
        return 64
    if os.geteuid() == 0:
        sys.stderr.write("clawkeep resolver: dnsmasq never runs as root; launchd starts it\n")
        return 1
    RESOLVER.wait_until_ready()
    command = [DNSMASQ, "--keep-in-foreground", f"--conf-file={RESOLVER.conf}"]
    environment = {**os.environ, **RESOLVER_ENVIRONMENT}
    return os.execve(command[0], command, environment)  # noqa: S606 - launchd sees dnsmasq itself


def problem(conf: Path, user: str) -> str | None:
    """Return what dnsmasq does not like about a configuration, None when all is well.

    Raises as `Service.ask`.
    """
    done = RESOLVER.ask(["--test", f"--conf-file={conf}"], user)
    if done.returncode == 0:
        return None
    return (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
