"""The faults that this keep must stand: the rows of the matrix, and what was not tried, with why.

A row is here before there is a test of it, so that one without any is seen. Source:
reference/peers.md D.4; the last five are ours.
"""

from __future__ import annotations

from typing import Final

ROWS: Final[dict[str, str]] = {
    "converge-killed": "A converge is killed",
    "bridge-killed": "A bridge is killed",
    "guest-ends": "The guest ends, and `tart run` exits 0",
    "slots": "tart refuses a start: too many VMs",
    "bridge100": "bridge100 is missing, late, or another one",
    "wedge": "vmnet gives the guest no address",
    "address": "The guest has another address, or another guest its own",
    "pf": "pf is emptied, disabled or overwritten",
    "forwarding": "The host forwards packets",
    "disk-full": "A disk is full",
    "declaration": "The declaration is damaged",
    "two-runs": "Two runs at once; a lock that a crash left",
    "half-clone": "A clone or a pull is interrupted",
    "snapshot": "A snapshot is interrupted",
    "restore": "A restored snapshot does not boot",
    "ssh": "SSH is lost, or another host key answers",
    "launchd": "launchd refuses, or knows a job that does not run",
    "keychain": "The keychain is locked, or nobody is logged in",
    "hooks": "A hook does not take an alert",
    "clock": "The clock jumps",
    "secrets": "A secret is no secret",
    "versions": "Another tart or softnet",
    "dry-run": "A dry run",
    "backup": "A backup is interrupted or damaged",
    "update": "An update is interrupted, or breaks the guest",
    "agent": "NanoClaw itself",
    "suid": "softnet loses its SUID bit",
    "watcher": "The watcher itself",
}
"""Key of each row, and its heading in the table, in order."""

NOT_TRIED: Final[dict[str, str]] = {
    "wedge": "a real one. It is vmnet's own state on a real Mac; the lab's guest only has its "
    "address and no way to it.",
    "disk-full": "in this table, while a backup, an update's record or a log is written: "
    "tests/unit/backup/test_faults.py and tests/unit/updates do, and do not record.",
    "half-clone": "an interrupted pull from the registry: the lab's tart has nothing to resume "
    "then, and what tart itself keeps of one is tart's.",
    "ssh": "a connection that hangs in the middle of a whole converge in the lab.",
    "hooks": "a webhook that its owner deleted, in the lab: the post's own tests have its answer.",
    "versions": "tart's tap moving: `brew` is asked by name, and the lab's Homebrew has one tap.",
    "dry-run": "on a file system that is read-only: what is counted is calls of the tools.",
}
"""What of a row was not tried, and why: by the row's key."""
