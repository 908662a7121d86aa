"""The host's clock as the guard and grants see it: it never runs backwards.

A grant ends at a time on the wall clock, and a wall clock can be set: by a person, or by a Mac that
boots without network. If it jumps back, a grant must not live longer for that, nor may a cut, its
grace or a result of the canary look younger than they are. So a reading of the wall clock is kept
together with the monotonic clock's, another one whenever the wall clock gets ahead, and the latest
of all in a file that survives a reboot; time is the latest of the wall clock, of what has passed
since that reading, and of that file. A clock that jumps ahead ends grants early, which is the safe
side.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from pathlib import Path

from clawkeep.onhost import paths

#: Survives a reboot: the latest time known. Written at most every SAVE_S seconds.
LATEST = paths.STATE / "clock.json"

#: Of this boot: a time, and the monotonic clock's reading at it.
BASE = paths.RUN / "clock.json"
SAVE_S = 60

#: A wall clock that is ahead of what has passed by this much is the new base.
AHEAD_S = 1.0


def now() -> float:
    """Return the time in Unix seconds: never less than at an earlier call on this host.

    Root's calls keep what makes that true, to within AHEAD_S of one another; anybody may ask.
    """
    wall, ticks = time.time(), _ticks()
    latest = _number(LATEST, "t")
    base, base_ticks = _number(BASE, "t"), _number(BASE, "ticks")
    passed = base + (ticks - base_ticks) if base and base_ticks <= ticks else 0.0
    moment = max(wall, latest, passed)
    if os.geteuid() == 0:
        # A full disk must not keep the guard from its work.
        with contextlib.suppress(OSError):
            if moment > passed + AHEAD_S:
                # From here on time passes by the ticks, however far back the wall clock is set.
                _keep(BASE, {"t": moment, "ticks": ticks})
            if moment >= latest + SAVE_S:
                save(moment)
    return moment


def wall() -> float:
    """Return the time as people on the host read it, in Unix seconds; it can be set.

    For what is to happen at a time of day, and ages that are only told. Whoever compares it with an
    earlier reading must expect to find that in the future.
    """
    return time.time()


def save(moment: float) -> None:
    """Keep `moment` over a reboot."""
    _keep(LATEST, {"t": moment})


def _keep(path: Path, values: dict[str, float]) -> None:
    """Replace a file; whoever else does so at the same time is as right."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(values, file)
    new.replace(path)


def _ticks() -> float:
    # Unlike time.monotonic it goes on while a Mac sleeps.
    return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)


def _number(path: Path, key: str) -> float:
    """Return a number of a JSON file, 0 when there is none that makes sense."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return float(value)
