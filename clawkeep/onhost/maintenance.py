"""Work on the guest as a whole: a snapshot, a restore, a backup, an image, an update, a converge.

One at a time. Whoever does such work has its turn, which ends with the process that took it: work
that was killed holds nothing up. Whatever stops the guest on purpose says so as well (`doing`), so
that nobody mends what is being worked on.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from clawkeep.onhost import paths, store

FILE = paths.RUN / "maintenance.json"

TURN = paths.RUN / "turn.lock"
"""Held from a work's beginning to its end: for a converge or an update by a process whose stdin is
the operator's, for all others by the one that does it."""

GUEST = paths.RUN / "guest.lock"
"""Held as well by what does something with the guest on this host, and by the children of that: so
what a killed update has begun here is over before anybody else has a turn."""

LONGEST_S = 6 * 3600.0

WAIT_S = 60.0
"""How long somebody waits for a turn who did not say."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What is being done, by which process, since when and until when at the latest.

    `since` is in seconds of the wall clock, for people; `until` of the monotonic clock, which no
    one can set and which counts from the boot, as the file does.
    """

    reason: str
    pid: int
    since: float
    until: float


@contextmanager
def turn(reason: str, *, wait_s: float) -> Iterator[str]:
    """Have the turn, waiting for at most so many seconds; yield a token for `working`.

    Raises BusyError, which says who has it; OSError.
    """
    token, deadline = secrets.token_hex(16), time.monotonic() + wait_s
    with contextlib.ExitStack() as stack:
        with _said(wait_s):
            stack.enter_context(
                store.locked(TURN, timeout_s=wait_s, holder=f"{_holder(reason)}\n{token}")
            )
            left = max(0.0, deadline - time.monotonic())
            with store.locked(GUEST, timeout_s=left, holder=_holder(reason)):
                pass
        yield token


@contextmanager
def working(reason: str, *, wait_s: float, within: str = "") -> Iterator[int]:
    """Have the turn and the guest; with the token of whoever has the turn, the guest alone.

    Yields a descriptor: a child that inherits it keeps everybody else away until it has ended.
    Raises BusyError, OSError.
    """
    with contextlib.ExitStack() as stack:
        if within:
            _must_have_the_turn(within)
        else:
            stack.enter_context(turn(reason, wait_s=wait_s))
        with _said(wait_s):
            handle = stack.enter_context(
                store.locked(GUEST, timeout_s=wait_s, holder=_holder(reason))
            )
        yield handle


def _holder(reason: str) -> str:
    return f"{reason} (pid {os.getpid()}, since {time.strftime('%H:%M:%S')})"


@contextmanager
def _said(wait_s: float) -> Iterator[None]:
    try:
        yield
    except store.BusyError as busy:
        waited = f"; it was waited for {wait_s:.0f} s" if wait_s >= 1 else ""
        raise store.BusyError(
            f"{busy.holder} is at work{waited}. Run this again when that has ended", busy.holder
        ) from None


def _must_have_the_turn(token: str) -> None:
    """Raise BusyError unless somebody has the turn whose token this is."""
    with open(os.open(TURN, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)) as file:
        said = file.read(1000).split("\n")
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if said[1:2] == [token]:
                return
    raise store.BusyError("the work that this belongs to has ended; nothing was done")


@contextmanager
def doing(reason: str, *, at_most_s: float = LONGEST_S) -> Iterator[None]:
    """Say that `reason` is being done as long as the block runs.

    Whoever uses it has the turn, or does it for one who has: that is said again then. Raises
    OSError.
    """
    around = current()
    said = Maintenance(reason, os.getpid(), time.time(), time.monotonic() + at_most_s)
    store.write(FILE, json.dumps(asdict(said)) + "\n")
    try:
        yield
    finally:
        FILE.unlink(missing_ok=True)
        if around is not None and _alive(around.pid):
            with contextlib.suppress(OSError):
                store.write(FILE, json.dumps(asdict(around)) + "\n")


def current() -> Maintenance | None:
    """Return what is being done now; None when nothing is, or when it can't be read."""
    try:
        data = json.loads(store.read(FILE) or "null")
        said = Maintenance(**data) if data else None
    except (OSError, ValueError, TypeError):
        return None
    return said if said and time.monotonic() < said.until and _alive(said.pid) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
