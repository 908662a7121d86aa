"""Launching a lab's first process, and the line to it while it starts."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lab import bottles
from lab.clock import Clock
from lab.image import linux
from lab.plan import Plan
from lab.state import LabError, State

CHECKOUT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 30
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class World:
    """This end of the line to the starting world."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(START_TIMEOUT_S)
        self._connection = connection
        self._lines = connection.makefile("rb")

    def send(self, line: str) -> None:
        """Send one line."""
        self._connection.sendall(line.encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """Return the next report. Raises LabError with the cause when the world failed."""
        try:
            line = self._lines.readline()
        except TimeoutError:
            raise LabError(f"the lab did not start within {START_TIMEOUT_S} s") from None
        if not line:
            raise LabError("the lab's first process ended while it started")
        report = dict(json.loads(line))
        if "failed" in report:
            raise LabError(f"the lab did not start: {report['failed']}")
        return report


@contextlib.contextmanager
def launch(
    state: State,
    init: Sequence[str],
    listening: socket.socket,
    lock: int,
    clock: Clock | None = None,
) -> Iterator[World]:
    """Start the lab's first process with its plan; the line to it is open within the context.

    It inherits the listening socket and the lock, and lives in the time of the lab's `clock`.
    """
    ours, theirs = socket.socketpair()
    plan = Plan(
        folder=str(state.folder),
        python=os.path.realpath(sys.base_prefix),
        mac=str(CHECKOUT / "lab" / "mac"),
        linux=str(linux.MACHINE),
        bottles=str(bottles.DEFAULT_DIR),
        hostname="mac-mini.local",
        init=init,
        listener=listening.fileno(),
        lock=lock,
    )
    with ours, theirs, (state.folder / "trace" / "world.log").open("ab") as trace:
        starter = subprocess.Popen(
            [sys.executable, "-m", "lab.world", str(theirs.fileno()), state.name],
            cwd=CHECKOUT,
            env=ENVIRONMENT | (clock.environment if clock else {}),
            stdin=subprocess.DEVNULL,
            stdout=trace,
            stderr=trace,
            pass_fds=(theirs.fileno(), listening.fileno(), lock),
            start_new_session=True,
        )
        theirs.close()
        try:
            world = World(ours)
            world.send(plan.to_json())
            yield world
        finally:
            # It forked the lab's first process and ended; that one is nobody's child here.
            ours.close()
            starter.wait()
