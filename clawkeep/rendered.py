"""Writes every file that a keep renders into a folder: `python -m clawkeep.rendered FOLDER`.

For people who want to read before they run, and for `pfctl -n` and `plutil -lint` on a real Mac.
The live link is unknown here, so an example stands for it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clawkeep import declared
from clawkeep.model import Keep, Link
from clawkeep.render.anchor import anchor, deny_all, kill_switch
from clawkeep.render.hosts import hosts_block
from clawkeep.render.plist import VM_LABEL, bridge_daemon, vm_agent
from clawkeep.render.tart_run import tart_run

#: What a first vmnet guest usually gets; only an example, see `Link`.
EXAMPLE = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")


def rendered(keep: Keep, link: Link = EXAMPLE, home: str = "/Users/me") -> dict[str, bytes]:
    """Return all rendered files by name."""
    run = tart_run(keep.guest, keep.egress, home=home)
    files = {
        "closed.pf.conf": deny_all().encode(),
        "doors.pf.conf": anchor(keep.services, link).encode(),
        "kill-switch.pf.conf": kill_switch().encode(),
        "hosts": hosts_block(keep.services, link.gateway).encode(),
        f"{VM_LABEL}.plist": vm_agent(keep.guest.name, home=home, arguments=["--", *run]),
    }
    for service in keep.services:
        files[f"{service.label}.plist"] = bridge_daemon(
            service, link.gateway, link.network, user=keep.host.bridge_user
        )
    return files


def main(folder: str) -> None:
    """Write the files; the folder is made when missing."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, content in rendered(declared.keep()).items():
        (Path(folder) / name).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "rendered")
