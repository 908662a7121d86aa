"""When the daily snapshot is due. Pure."""

from __future__ import annotations

from dataclasses import replace

from clawkeep.daily import RETRY_S, done, slot
from clawkeep.snapshots.records import State

TRIES = 3
"""A day's snapshot is tried so often: each try may pause the agent."""

DAY_S = 86_400


def due(state: State, at: str, now: float) -> bool:
    """Tell whether a snapshot is to be made now. The first is one for a time that still comes."""
    today = slot(at, now)
    if not at or not state.since or done(slot(at, state.since), today) or done(state.slot, today):
        return False
    if state.trying != today:
        return True
    return state.tries < TRIES and not 0 <= now - state.tried < RETRY_S


def trying(state: State, at: str, now: float) -> State:
    """Return the state when a try begins."""
    today = slot(at, now)
    tries = state.tries + 1 if state.trying == today else 1
    return replace(state, trying=today, tries=tries, tried=now)


def verify_due(state: State, days: int, now: float) -> bool:
    """Tell whether one is to be verified, now that a snapshot was made."""
    last = state.verified
    return last is None or not last.ok or not 0 <= now - last.t < days * DAY_S - RETRY_S
