"""The turn of a run at work on the guest, which a process on the host has for it.

The operator's own lock (`lock`) keeps two runs of one machine apart. This keeps a run apart from
what the host does by itself, such as its daily snapshot, and from runs of other machines. What is
at work, and until when, is decided by the host (clawkeep/onhost/hold.py).
"""

from __future__ import annotations

import os
import sys
import threading
import time

from paramiko import Transport
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from clawkeep.remote import PROGRAM, operator
from connectors.guest import GuestOnHost
from connectors.holder import Holder, started

BUSY = 75
USAGE = 64
"""What the program of a host says that knows no turns yet: this converge brings one that does."""

HELD = "held "
BEGIN_S = 1200
"""With the wait, and what an interrupted restore takes to be ended first."""

END_S = 10


class BusyError(PyinfraError):
    """Somebody else is at work on the guest; the text says who."""


class Turn:
    """The turn, while this is entered. `host` is None when the host is this machine.

    `token` lets the host's own verbs be part of the work; "" where the host has no turns yet.
    Entering raises BusyError, PyinfraError.
    """

    def __init__(self, host: Transport | None, reason: str) -> None:
        self._host, self.reason = host, f"{reason}, by {operator()}"
        self.token = ""
        self._holder: Holder | None = None

    def __enter__(self) -> Turn:
        holder = started(self._host, ["sudo", "-n", PROGRAM, "hold", self.reason])
        line = holder.line(time.monotonic() + BEGIN_S)
        if line.startswith(HELD):
            self._holder, self.token = holder, line.removeprefix(HELD)
            return self
        status, words = holder.end(END_S)
        if status == BUSY:
            raise BusyError(words)
        # On a Mac without a program of ours nobody else is at work.
        if status != USAGE and "command not found" not in words:
            raise PyinfraError(f"nobody can tell who is at work on the guest: {words or status}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._holder is not None:
            # Not seen ending, it ends with the connection.
            self._holder.end(END_S)
            self._holder = None


_taken: dict[str, Turn] = {}
_taking = threading.Lock()


def taken(machine: Host, tart_host: str) -> None:
    """Have the turn for the life of this run, or end it with status 75; a plan needs none.

    Raises PyinfraError.
    """
    if "--dry" in sys.argv:
        return
    with _taking:  # pyinfra loads a deploy for all machines at once.
        if tart_host in _taken:
            return
        host = GuestOnHost(machine.state.inventory.get_host(tart_host), "")
        try:
            _taken[tart_host] = Turn(host.transport(), "a converge").__enter__()
        except BusyError as busy:
            sys.stderr.write(f"{tart_host}: {busy}\n")
            sys.stderr.flush()
            os._exit(BUSY)
