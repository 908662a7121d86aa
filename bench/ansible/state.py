"""Writes the state that the playbook keeps: `python bench/ansible/state.py FOLDER`.

Every content, mode, owner and label is taken from the renderers and roles that the converge itself
uses, and checks that are a script in a role are the same script here: what the two tools look at
cannot drift apart. The live link is asked of the host, as the converge does.
"""

from __future__ import annotations

import hashlib
import json
import os
import plistlib
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clawkeep import declared, ifconfig, keys, state, tart
from clawkeep.declaration import policy_of
from clawkeep.model import Keep, Link
from clawkeep.model.service import LABEL_PREFIX
from clawkeep.policy import openings
from clawkeep.render import anchor as rules
from clawkeep.render.hosts import hosts_block
from clawkeep.render.plist import bridge_daemon, vm_agent
from clawkeep.render.tart_run import tart_run
from clawkeep.target import Target, target
from clawkeep.transport import HostSession
from roles import launchd, pip_tools
from roles.base import VM_PATH, account, folders, hostkey, runtime
from roles.base.guestfiles import guest_files
from roles.bundle import Directory, File
from roles.network import bridges, canary, guard, traffic
from roles.probe import Probe

# /opt/homebrew/Cellar/NAME/VERSION/INSTALL_RECEIPT.json
KEG = r"^.*/Cellar/([^/]+)/([^/]+)/.*$"

LOAD_JOB = (
    "launchctl bootout {{ item.target }}; "
    "until ! launchctl print {{ item.target }} >/dev/null 2>&1; do sleep 0.1; done; "
    "launchctl bootstrap {{ item.domain }} {{ item.path }}"
)


@dataclass(frozen=True)
class Live:
    """What only the machines know: the guest's link, and who the host's user is."""

    link: Link
    user: str
    uid: int
    home: str


def live(host: Target, guest: str) -> Live:
    """Ask the host. Raises TransportError, or LinkError when the guest does not run."""
    session = HostSession(host)
    try:
        text = session.run(f'id -un; id -u; echo "$HOME"; {tart.address(guest)}\nifconfig\n')
    finally:
        session.close()
    user, uid, home, address, interfaces = text.split("\n", 4)
    link = ifconfig.link(interfaces, address.partition(" ")[0])
    return Live(link, user, int(uid), home)


class Contents:
    """The contents of files, laid down for Ansible's `copy` to read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def files(self, entries: Iterable[File | Directory]) -> list[dict[str, str]]:
        """Return one row per file, in `copy`'s own words."""
        return [
            _row(entry) | {"src": str(self._laid(entry.content))}
            for entry in entries
            if isinstance(entry, File)
        ]

    def _laid(self, content: bytes) -> Path:
        path = self.folder / hashlib.sha256(content).hexdigest()
        path.write_bytes(content)
        return path


def directories(entries: Iterable[File | Directory]) -> list[dict[str, str]]:
    """Return one row per directory, in `file`'s own words."""
    return [_row(entry) for entry in entries if isinstance(entry, Directory)]


def _row(entry: File | Directory) -> dict[str, str]:
    mode = entry.mode.rjust(4, "0")
    return {"path": entry.path, "mode": mode, "owner": entry.owner, "group": entry.group}


def jobs(
    domain: launchd.Domain, plists: Sequence[bytes]
) -> tuple[list[File], list[dict[str, str]]]:
    """Return the files and the launchd targets of jobs."""
    labels = [str(plistlib.loads(plist)["Label"]) for plist in plists]
    files = [
        File(f"{domain.folder}/{label}.plist", plist, "644", domain.owner, domain.group)
        for label, plist in zip(labels, plists, strict=True)
    ]
    rows = [
        {
            "label": label,
            "domain": domain.target,
            "target": f"{domain.target}/{label}",
            "path": file.path,
        }
        for label, file in zip(labels, files, strict=True)
    ]
    return files, rows


def check(probe: Probe[bool], *, holds: bool = True) -> dict[str, Any]:
    """Return a role's own yes-or-no script; `holds` is the answer when all is as declared."""
    return {"name": probe.name, "script": probe.script, "holds": holds}


def short(formulas: Iterable[str]) -> list[str]:
    """Return the names of formulas without their taps."""
    return [name.rsplit("/", 1)[-1] for name in formulas]


def base_host(keep: Keep, found: Live, contents: Contents) -> dict[str, Any]:
    program = runtime.program()
    mounts = [mount.at(found.home) for mount in keep.guest.mounts]
    logs = f"{found.home}/Library/Logs"
    shared = [
        Directory(logs, "700", found.user, "staff"),
        Directory(f"{logs}/clawkeep", "700", found.user, "staff"),
        *(Directory(path, "755", found.user, "staff") for path in folders(mounts, found.home)),
    ]
    agent = vm_agent(
        keep.guest.name,
        home=found.home,
        arguments=["--", *tart_run(keep.guest, keep.egress, home=found.home, tart=tart.TART)],
        path=VM_PATH,
    )
    job_files, job_rows = jobs(launchd.gui(found.uid, found.user, found.home), [agent])
    return {
        "formulas": short(["tart", "softnet", "uv", *keep.host.packages]),
        "at_least": {"tart": keep.host.tart_version, "softnet": keep.host.softnet_version},
        "checks": [check(runtime.HAVE_PYTHON)],
        "directories": directories([*program, *shared]),
        "files": contents.files(program),
        "job_files": contents.files(job_files),
        "jobs": job_rows,
    }


def network_host(keep: Keep, found: Live, contents: Contents) -> dict[str, Any]:
    policy = policy_of(keep, owner=found.user, owner_uid=found.uid, owner_home=found.home, cas={})
    doors = rules.anchor(openings(policy, now=time.time()), found.link)
    guard_files, guard_jobs = jobs(launchd.SYSTEM, [guard.DAEMON])
    user = keep.host.bridge_user
    plists = [bridge_daemon(s.name, user) for s in keep.services]
    job_files, job_rows = jobs(launchd.SYSTEM, [*plists, canary.DAEMON, traffic.DAEMON])
    return {
        "closing_files": contents.files(guard_files),
        "closing_jobs": guard_jobs,
        "checks": [check(bridges._user_probe(user))],
        "directories": directories([Directory(bridges.LOG_DIR, "750", user)]),
        "files": contents.files([File(guard.POLICY, policy.text().encode())]),
        "anchors": [
            {"anchor": rules.ANCHOR, "rules": list(rules.printed(doors))},
            {"anchor": rules.WALL, "rules": list(rules.printed(rules.wall()))},
        ],
        "enforce": guard.ENFORCE,
        "job_prefix": LABEL_PREFIX,
        "job_files": contents.files(job_files),
        "jobs": job_rows,
        "listeners": [f"{found.link.gateway}:{s.port}" for s in keep.services],
    }


def base_guest(keep: Keep, host: Target, contents: Contents) -> dict[str, Any]:
    guest = keep.guest
    pair = keys.ensure(state.folder(host.name, guest.name), f"clawkeep@{guest.name}")
    entries = guest_files(guest, pair.public_line)
    return {
        "directories": directories(entries),
        "files": contents.files(entries),
        "checks": [
            check(account._user_probe(guest.user)),
            check(account.PASSWORD_REPLACED),
            check(account._login_probe(guest.user)),
            check(account.SETTINGS),
            check(hostkey.OWN),
        ],
        "formulas": short([*guest.packages, *guest.tapped]),
        "pip_tools": [tool.lower() for tool in guest.pip_tools],
        "pip_tools_script": pip_tools.PIP_TOOLS.script,
    }


def variables(keep: Keep, host: Target, contents: Contents) -> dict[str, Any]:
    """Return every variable of the playbook."""
    guest = keep.guest
    found = live(host, guest.name)
    return {
        "keg": KEG,
        "load_job": LOAD_JOB,
        "guest": guest.model_dump(include={"name", "cpu", "memory_mb", "disk_gb"})
        | {"base_snapshot": guest.base_snapshot, "address": str(found.link.guest)},
        "base_host": base_host(keep, found, contents),
        "network_host": network_host(keep, found, contents),
        "base_guest": base_guest(keep, host, contents),
        "network_guest": {
            "gateway": str(found.link.gateway),
            "hosts_lines": hosts_block(keep.services, found.link.gateway).splitlines(),
        },
    }


def main(folder: Path) -> None:
    """Write `vars.json` and the contents that it names; the folder is made when missing."""
    host = target()
    if host.state:
        os.environ.setdefault("CLAWKEEP_STATE", host.state)
    contents = Contents(folder / "contents")
    text = json.dumps(variables(declared.keep(), host, contents), indent=1)
    (folder / "vars.json").write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
