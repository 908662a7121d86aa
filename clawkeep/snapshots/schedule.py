"""When the daily snapshot is due. Pure.

launchd only ticks. Whether it is time is decided here, by days: a day has one snapshot, whether its
hour comes twice, never (the clocks are changed), or passes while the Mac sleeps or is off.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from clawkeep.snapshots.records import State

RETRY_S = 3600.0
TRIES = 3
"""A day's snapshot is tried so often: each try may pause the agent."""

DAY_S = 86_400


def slot(at: str, now: float) -> str:
    """Return the day (ISO, local) whose time `at` was the last to pass at `now` (Unix seconds)."""
    local = dt.datetime.fromtimestamp(now)
    day = local.date()
    if local.strftime("%H:%M") < at:
        day -= dt.timedelta(days=1)
    return day.isoformat()


def due(state: State, at: str, now: float) -> bool:
    """Tell whether a snapshot is to be made now. The first is one for a time that still comes."""
    today = slot(at, now)
    if not at or not state.since or _done(slot(at, state.since), today) or _done(state.slot, today):
        return False
    if state.trying != today:
        return True
    return state.tries < TRIES and not 0 <= now - state.tried < RETRY_S


def _done(day: str, today: str) -> bool:
    """Tell whether `day` is today or just ahead; one far ahead was dated by a clock that lied."""
    if not day:
        return False
    return 0 <= (dt.date.fromisoformat(day) - dt.date.fromisoformat(today)).days <= 1


def trying(state: State, at: str, now: float) -> State:
    """Return the state when a try begins."""
    today = slot(at, now)
    tries = state.tries + 1 if state.trying == today else 1
    return replace(state, trying=today, tries=tries, tried=now)


def verify_due(state: State, days: int, now: float) -> bool:
    """Tell whether one is to be verified, now that a snapshot was made."""
    last = state.verified
    return last is None or not last.ok or not 0 <= now - last.t < days * DAY_S - RETRY_S
