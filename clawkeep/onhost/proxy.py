"""The egress proxy on the host: squid, there exactly while something is open by name.

`refresh` is called after the rules are in force: it writes squid.conf, and tells or restarts squid.
`clawkeep proxy` is the job's program: it waits until the configuration of *this* boot is there, and
the gateway with it, and becomes squid. So nothing that was open before a reboot is served after it.

What is added reaches a running squid by a reconfiguration, which cuts nobody off; after anything
was removed it starts anew, because a tunnel outlives the rule that let it through.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from clawkeep.link import Link
from clawkeep.onhost import addresses, jobs, paths, store, world
from clawkeep.onhost.service import Service, digest
from clawkeep.policy import PROXY_PORT, Openings, Policy
from clawkeep.render.squid import FILES, SQUID, squid_conf

PROXY = Service("proxy", SQUID, paths.SQUID_CONF, paths.RUN / "proxy.json", PROXY_PORT, FILES)

RESOLVERS = Path("/etc/resolv.conf")

#: The host's own networks are read again when what is known is older.
NETWORKS_AGE_S = 300
LISTEN_S = 15
HEAR_S = 5

#: squid skips what it cannot read in a list, says so, and exits 0 (measured: 5.7).
DOUBT = re.compile(r"ERROR|FATAL|SECURITY|BUG|WARNING.*(ACL|regular expression|ignored|sub)")


def refresh(policy: Policy, openings: Openings, link: Link | None) -> list[str]:
    """Have squid serve exactly what is open, or not be there; return what was changed.

    Call it with the lock held and the rules in force. Starts no program when nothing changed, and
    returns when squid serves what it was told. Raises OSError, RuntimeError, SubprocessError: then
    what was removed is closed all the same.
    """
    if link is None or not openings.proxy:
        return ["the proxy was ended: nothing is open by name"] if PROXY.stop() else []
    told = PROXY.told()
    wanted = _serving(openings, link)
    plist = PROXY.daemon(policy.bridge_user)
    networks = _networks(told)
    text = squid_conf(openings, link, host_networks=networks)
    heard = told.get("heard") and told.get("digest") == digest(text)
    same = heard and told.get("serving") == wanted and store.read(PROXY.conf) == text
    if same and jobs.current(PROXY.label, plist):
        return []
    grows = bool(told.get("heard")) and _only_grows(told.get("serving"), wanted)
    try:
        PROXY.install(text, lambda conf: problem(conf, policy.bridge_user))
    except (OSError, RuntimeError, subprocess.SubprocessError):
        if not grows:
            PROXY.stop()
        raise

    def start() -> str:
        if jobs.load(PROXY.label, plist):
            return "started"
        if grows:
            _reconfigure()
            return "told what is new"
        jobs.restart([PROXY.label])
        return "started anew"

    note = {"serving": wanted, "digest": digest(text), "networks": networks, "read": time.time()}
    did = PROXY.tell(note, start)
    late = "" if listening(link.gateway) else "; it does not listen yet, see proxy.err.log"
    return [f"the proxy was {did}: {_described(openings)}{late}"]


def listening(gateway: IPv4Address, timeout_s: float = LISTEN_S) -> bool:
    """Wait until the proxy listens on the gateway; see `Service.listening`."""
    return PROXY.listening(gateway, timeout_s)


def main(arguments: Sequence[str]) -> int:
    """Run as `proxy`: become squid once there is a configuration of this boot and a gateway."""
    if arguments:
        sys.stderr.write("usage: clawkeep proxy\n")
        return 64
    if os.geteuid() == 0:
        sys.stderr.write("clawkeep proxy: squid never runs as root; launchd starts it\n")
        return 1
    PROXY.wait_until_ready()
    command = [SQUID, "-N", "-f", str(PROXY.conf)]
    return os.execv(command[0], command)  # noqa: S606 - launchd sees squid itself


def problem(conf: Path, user: str) -> str | None:
    """Return what squid does not like about a configuration, None when all is well.

    Raises as `Service.ask`.
    """
    done = PROXY.ask(["-k", "parse", "-f", str(conf)], user)
    lines = (done.stderr + done.stdout).splitlines()
    doubts = [line.partition("| ")[2] or line for line in lines if DOUBT.search(line)]
    if doubts:
        return "; ".join(doubts[:3])
    if done.returncode != 0:
        return "; ".join(lines[-3:]) or f"exit status {done.returncode}"
    return None


def _reconfigure() -> None:
    """Have squid read its configuration, and wait until it did: it opens its port anew then."""
    before = _port()
    done = world.run([jobs.LAUNCHCTL, "kill", "SIGHUP", f"system/{PROXY.label}"])
    if done.returncode != 0:
        # It has no process at this moment: the next one reads the new file anyway.
        jobs.restart([PROXY.label])
        return
    deadline = time.monotonic() + HEAR_S
    while time.monotonic() < deadline and _port() in {before, ""}:
        time.sleep(0.1)


def _port() -> str:
    """Return what tells squid's listening socket from another one on the same port."""
    port = ["-a", f"-iTCP:{PROXY_PORT}", "-sTCP:LISTEN", "-Fd"]
    lines = world.run(["/usr/sbin/lsof", "-nP", *port]).stdout.splitlines()
    return " ".join(sorted(line for line in lines if line.startswith("d")))


def _serving(openings: Openings, link: Link) -> dict[str, Any]:
    """Return what squid serves, as JSON reads it back, and whom it asks for names."""
    serving = {k: v for k, v in asdict(openings).items() if k in SERVED}
    where = {"gateway": str(link.gateway), "guest": str(link.guest), "net": str(link.network)}
    asked: dict[str, Any] = json.loads(json.dumps({**serving, **where}))
    return {**asked, "resolvers": digest(store.read(RESOLVERS) or "")}


#: The parts of Openings that are the proxy's.
SERVED = frozenset({"domains", "window", "http", "report"})
GROWING = frozenset({"domains", "window"})
SWITCHES = frozenset({"http", "report"})


def _only_grows(old: Any, new: Mapping[str, Any]) -> bool:
    """Tell whether everything that was open still is; new resolvers take nothing away."""
    if not isinstance(old, dict) or old.keys() != new.keys():
        return False
    for key, value in new.items():
        if key in GROWING:
            fine = set(old[key]) <= set(value)
        elif key in SWITCHES:
            fine = value or not old[key]
        else:
            fine = key == "resolvers" or value == old[key]
        if not fine:
            return False
    return True


def _networks(told: Mapping[str, Any]) -> list[str]:
    """Return the host's own networks: as last read, or read again. Raises RuntimeError."""
    known, read = told.get("networks"), told.get("read")
    fresh = isinstance(read, float) and 0 <= time.time() - read < NETWORKS_AGE_S
    if fresh and isinstance(known, list):
        return [str(network) for network in known]
    done = world.run(["/sbin/ifconfig"])
    if done.returncode != 0:
        raise RuntimeError(f"ifconfig: {done.stderr.strip()}")
    return list(addresses.networks(done.stdout))


def _described(openings: Openings) -> str:
    words = [f"{len(openings.domains)} domains"] if openings.domains else []
    words += [f"window for {', '.join(openings.window)}"] if openings.window else []
    words += ["report mode"] if openings.report else []
    return ", ".join(words)
