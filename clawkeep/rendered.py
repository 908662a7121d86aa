"""Writes every file that a keep renders into a folder: `python -m clawkeep.rendered FOLDER`.

For people who want to read before they run, and for `pfctl -n` and `plutil -lint` on a real Mac.
The live link is unknown here, so an example stands for it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from clawkeep import declared
from clawkeep.model import Keep, Link
from clawkeep.policy import openings, policy_of
from clawkeep.render.anchor import anchor, deny_all, kill_switch, wall
from clawkeep.render.hosts import hosts_block
from clawkeep.render.plist import VM_LABEL, bridge_daemon, vm_agent
from clawkeep.render.tart_run import tart_run

#: What a first vmnet guest usually gets; only an example, see `Link`.
EXAMPLE = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")


def rendered(keep: Keep, link: Link = EXAMPLE, home: str = "/Users/me") -> dict[str, bytes]:
    """Return all rendered files by name."""
    run = tart_run(keep.guest, keep.egress, home=home)
    folder = declared.allowlist().parent
    cas = {s.ca: (folder / s.ca).read_text() for s in keep.services if s.ca}
    policy = policy_of(keep, owner="me", owner_uid=501, owner_home=home, cas=cas)
    files = {
        "policy.json": policy.text().encode(),
        "closed.pf.conf": deny_all().encode(),
        "wall.pf.conf": wall().encode(),
        "doors.pf.conf": anchor(openings(policy, now=time.time()), link).encode(),
        "kill-switch.pf.conf": kill_switch().encode(),
        "hosts": hosts_block(keep.services, link.gateway).encode(),
        f"{VM_LABEL}.plist": vm_agent(keep.guest.name, home=home, arguments=["--", *run]),
    }
    for service in keep.services:
        files[f"{service.label}.plist"] = bridge_daemon(service.name, keep.host.bridge_user)
    return files


def main(folder: str) -> None:
    """Write the files; the folder is made when missing."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, content in rendered(declared.keep()).items():
        (Path(folder) / name).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "rendered")
