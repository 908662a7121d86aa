"""`clawkeep hold`: the turn of work that an operator's machine does, a converge or an update.

Held for as long as its standard input is: the run holds the other end, so the turn ends when the
run ends, fails, or is killed with its connection. What a killed snapshot or restore has left half
done is ended first: to a converge, a guest between its two names is one that is missing.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import time
from collections.abc import Sequence

from clawkeep.onhost import maintenance, snapshot, snapshot_state, store
from clawkeep.onhost.head import BUSY, ERRORS
from clawkeep.onhost.plain import plain
from clawkeep.onhost.snapshot_shelf import Shelf
from clawkeep.snapshots.errors import SnapshotError


def main(arguments: Sequence[str]) -> int:
    """Run as `hold REASON`: print "held TOKEN", and end with standard input.

    Exit status: 0 it was held, 75 somebody else has the turn, 1 neither; why is on stderr.
    """
    parser = argparse.ArgumentParser(prog="clawkeep hold")
    parser.add_argument("reason", help="what is being done, and by whom")
    parser.add_argument("--wait", type=float, default=maintenance.WAIT_S, metavar="SECONDS")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep hold: must run as root; use sudo\n")
        return 77
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    reason = plain(options.reason)
    try:
        with maintenance.turn(reason, wait_s=options.wait) as token:
            _settle(token)
            with maintenance.doing(reason):
                print(f"held {token}", flush=True)
                _until_over()
    except ERRORS as error:
        sys.stderr.write(f"{plain(str(error), 900)}\n")
        return BUSY if isinstance(error, store.BusyError) else 1
    return 0


def _settle(token: str) -> None:
    """End what was interrupted; a guest that has its name does without. Raises SnapshotError."""
    if Shelf().task() is None:
        return
    with snapshot.at_work(snapshot_state.plan(), "tick", within=token) as work:
        try:
            work.recover()
        except SnapshotError as error:
            if work.keeper.guest not in work.keeper.mac.vms():
                raise
            store.event("snapshot", f"what was interrupted is left as it is: {error}")


def _until_over() -> None:
    """Wait for the end of standard input; a connection that hangs is over at some time, too."""
    deadline = time.monotonic() + maintenance.LONGEST_S
    while (left := deadline - time.monotonic()) > 0:
        if select.select([0], [], [], left)[0] and not os.read(0, 4096):
            return
