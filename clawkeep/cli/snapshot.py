"""`clawkeep snapshot`: make, look at, verify, bring back and delete snapshots of the guest."""

from __future__ import annotations

import argparse

from clawkeep.cli.verb import Verb, actions, waits
from clawkeep.remote import operator, pass_on

LONGEST_S = 6 * 3600
QUICK_S = 120
LOOKS = frozenset({"list", "status"})


def _arguments(parser: argparse.ArgumentParser) -> None:
    found = actions(
        parser,
        {
            "create": "make a snapshot now; the guest is down meanwhile",
            "list": "list the snapshots: when, why, and when one was verified",
            "verify": "boot a copy that reaches nothing, look whether it is whole, delete it",
            "restore": "put a snapshot in the guest's place; the former guest comes back unless "
            "all is well",
            "prune": "delete the snapshots that are not to be kept",
            "status": "how the snapshots are, and what is under way",
        },
    )
    for name, action in found.items():
        action.add_argument("--json", action="store_true", help="print the result as JSON")
        if name not in LOOKS:
            waits(action)
    found["create"].add_argument("--reason", help="why, for the list")
    which = "a name of `list`, `latest` or `verified`"
    found["verify"].add_argument("name", nargs="?", default="latest", help=f"{which} (latest)")
    found["restore"].add_argument("name", help=which)
    found["prune"].add_argument("--dry-run", action="store_true", help="only say which")


def _run(options: argparse.Namespace) -> int:
    words = [options.action]
    if options.action == "create":
        words.append(f"--reason={options.reason or f'by {operator()}'}")
    if options.action in {"verify", "restore"}:
        words.append(options.name)
    for flag in ("dry_run", "json"):
        words += [f"--{flag.replace('_', '-')}"] if getattr(options, flag, False) else []
    if getattr(options, "wait", None) is not None:
        words.append(f"--wait={options.wait}")
    return pass_on(
        ["snapshot", *words], timeout_s=QUICK_S if options.action in LOOKS else LONGEST_S
    )


VERB = Verb(
    summary="make, look at, verify and bring back snapshots of the guest",
    run=_run,
    arguments=_arguments,
    description="Snapshots: stopped, consistent copies of the whole guest on the host's own disk, "
    "made each day\nas declared by `snapshots` in group_data/all.py. One is verified when a copy "
    "of it was booted,\ncut off from everything, and found whole.",
    epilog="exit status: 0 well; 1 it failed, and all is as before, or a snapshot is no good;\n"
    "2 not at this moment, or nobody can tell; 75 others are at work on the guest (who is said)\n\n"
    "example: clawkeep snapshot create --reason 'before the update'\n"
    "         clawkeep snapshot verify\n"
    "         clawkeep snapshot restore verified",
)
