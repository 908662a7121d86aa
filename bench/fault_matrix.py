"""The faults that this keep must stand: the rows of the matrix, and what was not tried, with why.

A row is here before there is a test of it, so that one without any is seen. Source:
reference/peers.md D.4; the last three are ours.
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
    "agent": "NanoClaw itself",
    "suid": "softnet loses its SUID bit",
    "watcher": "The watcher itself",
}
"""Key of each row, and its heading in the table, in order."""

NOT_TRIED: Final[dict[str, str]] = {}
"""What of a row was not tried, and why: by the row's key."""
