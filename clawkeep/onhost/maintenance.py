"""Work that stops the guest on purpose: a snapshot, an update, a restore.

Whoever does such work says so here, so that nobody mends what is being worked on. What is said ends
with the process that said it, and at its time: work that was killed holds nothing up.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from clawkeep.onhost import paths, store

FILE = paths.RUN / "maintenance.json"

LONGEST_S = 6 * 3600.0


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
def doing(reason: str, *, at_most_s: float = LONGEST_S) -> Iterator[None]:
    """Say that `reason` is being done as long as the block runs.

    One at a time: whoever uses it holds a lock of its own around it. Raises OSError.
    """
    said = Maintenance(reason, os.getpid(), time.time(), time.monotonic() + at_most_s)
    store.write(FILE, json.dumps(asdict(said)) + "\n")
    try:
        yield
    finally:
        FILE.unlink(missing_ok=True)


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
