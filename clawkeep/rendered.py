"""Writes what a keep's declaration is rendered into: `python -m clawkeep.rendered FOLDER`.

For people who want to read before they run, and for `pfctl -n` and `plutil -lint` on a real Mac.
The live link is unknown here, so an example stands for it; grants, the provisioning window and
pinned host keys are the host's own, and not here either.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from clawkeep import declared
from clawkeep.declaration import certificates, policy_of
from clawkeep.link import EXAMPLE
from clawkeep.model import Keep, Link
from clawkeep.onhost.proxy import PROXY
from clawkeep.onhost.resolver import RESOLVER
from clawkeep.policy import Openings, Policy, openings
from clawkeep.render.anchor import anchor, deny_all, kill_switch, wall
from clawkeep.render.clients import client_files
from clawkeep.render.dnsmasq import dnsmasq_conf
from clawkeep.render.hosts import hosts_block
from clawkeep.render.plist import VM_LABEL, bridge_daemon, vm_agent
from clawkeep.render.proxy import ENV_FILE, env_file, proxy_environment
from clawkeep.render.resolver import resolver_files
from clawkeep.render.squid import squid_conf
from clawkeep.render.tart_run import tart_run


def rendered(keep: Keep, link: Link = EXAMPLE, home: str = "/Users/me") -> dict[str, bytes]:
    """Return all rendered files by name; what lies in the guest is below `guest/`.

    Raises OSError when a private CA that the keep names cannot be read.
    """
    cas = certificates(keep, declared.allowlist().parent)
    policy = policy_of(keep, owner="me", owner_uid=501, owner_home=home, cas=cas)
    opened = openings(policy, now=time.time())
    files = dict(_on_host(policy, opened, link))
    for service in keep.services:
        files[f"{service.label}.plist"] = bridge_daemon(service.name, policy.bridge_user)
    run = tart_run(keep.guest, keep.egress, home=home)
    files[f"{VM_LABEL}.plist"] = vm_agent(keep.guest.name, home=home, arguments=["--", *run])
    for path, text in _in_guest(keep, opened, link, cas).items():
        files[f"guest/{path.removeprefix('/')}"] = text.encode()
    return files


def _on_host(policy: Policy, opened: Openings, link: Link) -> Iterator[tuple[str, bytes]]:
    yield "policy.json", policy.text().encode()
    yield "closed.pf.conf", deny_all().encode()
    yield "wall.pf.conf", wall().encode()
    yield "doors.pf.conf", anchor(opened, link).encode()
    yield "kill-switch.pf.conf", kill_switch().encode()
    user = policy.bridge_user
    if opened.proxy:
        yield "squid.conf", squid_conf(opened, link).encode()
        yield f"{PROXY.label}.plist", PROXY.daemon(user)
    if opened.resolver:
        yield "dnsmasq.conf", dnsmasq_conf(opened, link, user=user).encode()
        yield f"{RESOLVER.label}.plist", RESOLVER.daemon(user)


def _in_guest(keep: Keep, opened: Openings, link: Link, cas: dict[str, str]) -> dict[str, str]:
    """Return the guest's files; of /etc/hosts only our lines."""
    home = f"Users/{keep.guest.user}"
    clients = client_files(keep.services, link.gateway, cas=cas)
    files = {"etc/hosts": hosts_block(keep.services, link.gateway)}
    files |= {f"{home}/{path}": text for path, text in clients.items()}
    if opened.resolver:
        files |= resolver_files(keep.services, link.gateway)
    if environment := proxy_environment(opened, link.gateway):
        files[ENV_FILE] = env_file(environment)
    return files


def main(folder: str) -> None:
    """Write the files; the folder is made when missing."""
    for name, content in rendered(declared.keep()).items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "rendered")
