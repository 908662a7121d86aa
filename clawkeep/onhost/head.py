"""What the verbs that work on the guest begin and end with: `snapshot` and `backup`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clawkeep.backup.errors import BackupError
from clawkeep.onhost import maintenance, store
from clawkeep.onhost.plain import plain
from clawkeep.policy import PolicyError
from clawkeep.snapshots.errors import SnapshotError

BUSY = 75
"""Somebody else is at work on the guest (EX_TEMPFAIL)."""

ERRORS = (SnapshotError, BackupError, PolicyError, OSError, subprocess.SubprocessError)


@dataclass(frozen=True, slots=True)
class Answer:
    """The exit status, and what is said: as JSON, or in lines."""

    status: int
    data: dict[str, Any]
    lines: Sequence[str] = ()


def options_for_all(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Give each action what all of them take."""
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", help="print the result as JSON")
        action.add_argument(
            "--wait", type=float, default=maintenance.WAIT_S, metavar="SECONDS",
            help="wait so long for other work on the guest",
        )  # fmt: skip
        action.add_argument("--within", default="", metavar="TOKEN", help=argparse.SUPPRESS)


def run(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str],
    do: Callable[[argparse.Namespace], Answer],
    failed: Callable[[Exception], int],
) -> int:
    """Do what is asked for and print what came of it; return the exit status.

    `failed` gives the one of an error. launchd's `tick` waits for nobody: it comes again soon, and
    has missed nothing.
    """
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write(f"{parser.prog}: must run as root; use sudo\n")
        return 77
    # Told to end, the guest is started again and half-written files are removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    ticking = options.action == "tick"
    if ticking:
        store.limit_errors()
        options.wait = 0.0
    try:
        answer = do(options)
    except ERRORS as error:
        busy = isinstance(error, store.BusyError)
        if busy and ticking:
            return 0
        sys.stderr.write(f"{parser.prog} {options.action}: {plain(str(error), 900)}\n")
        return BUSY if busy else failed(error)
    if options.json:
        sys.stdout.write(json.dumps(answer.data, indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{plain(line, 600)}\n" for line in answer.lines)
    return answer.status
