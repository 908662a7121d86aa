"""`clawkeep revoke`: ends a grant now, and every connection through it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from clawkeep.onhost import enforce, grants, store, world
from clawkeep.onhost.allow import asking
from clawkeep.onhost.situation import situation
from clawkeep.onhost.vet import UnfitError
from clawkeep.policy import PolicyError


def main(arguments: Sequence[str]) -> int:
    """Run as `revoke NAME`: 0 gone, 1 not (and why)."""
    parser = argparse.ArgumentParser(
        prog="clawkeep revoke",
        description="End a grant now, and every connection through it.",
        epilog="exit status: 0 gone, 1 there is none or it could not be closed; "
        "example: sudo clawkeep revoke printer",
    )
    parser.add_argument("name", help="what the grant is called")
    parser.add_argument("--who", default="", help="who asks, where sudo's user says too little")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep revoke: only root may close a door; run it with sudo\n")
        return 1
    try:
        why = _revoke(options.name, asking(options.who))
    except (PolicyError, UnfitError, OSError) as error:
        why = str(error)
    if why:
        sys.stderr.write(f"clawkeep revoke: {why}\n")
        return 1
    print(f"{options.name} is closed, and so are its connections")
    return 0


def _revoke(name: str, who: str) -> str:
    """Return why the grant is not gone, nothing when it is."""
    with store.locked():
        policy = world.policy()
        gone = grants.remove(name, policy, who=who, why="revoked by hand")
        if gone is None:
            if any(door.name == name for door in policy.doors):
                return f"{name} is a service: take it out of allowlist.yml and apply that"
            return f"there is no grant {name!r}; `clawkeep grants` lists them"
        record = enforce.bring(situation())
    if record.state == "failed":
        return f"it is off the record, but: {enforce.said(record)}"
    bridges = [problem for problem in record.problems if problem.startswith("bridges:")]
    return f"the rules are closed, but {bridges[0]}" if bridges else ""
