"""How the host's snapshots are, from what was done last. Pure."""

from __future__ import annotations

import time
from typing import Final

from clawkeep.backup.state import AHEAD_S, BAD, DAY_S, LATE_S, UNKNOWN, WELL, Did, ago
from clawkeep.snapshots.plan import Plan
from clawkeep.snapshots.records import State

STUCK_S: Final = 3600
"""Nothing takes so long, but a clone on a volume that shares no blocks."""

FIRST_S: Final = 2 * DAY_S
"""From when they are declared to the first, and to the first that is verified."""


def judged(state: State, plan: Plan, now: float) -> tuple[int, list[str]]:
    """Return the verdict (0 well, 1 bad, 2 cannot tell) and a line for each thing."""
    lines = [_line("CREATED", state.created, now), _line("GOOD", state.good, now)]
    lines.append(_line("VERIFIED", state.verified, now))
    bad = list(problems(state, plan, now))
    lines += [f"  {text}" for _, text in bad]
    if bad:
        return BAD, lines
    return (UNKNOWN if state.good is None or state.verified is None else WELL), lines


def problems(state: State, plan: Plan, now: float) -> list[tuple[str, str]]:
    """Return what is not as it should be: a key for each kind of problem, and the words."""
    found = []
    if state.created is not None and not state.created.ok:
        found.append(("failed", f"the last snapshot was not made: {state.created.text}"))
    if plan.at and state.since:
        if late(state.good, state.since, LATE_S, now):
            since = f"the last is of {date(state.good.t)}" if state.good else "there is none yet"
            found.append(("late", f"no daily snapshot was made: {since}"))
        verified = state.verified if state.verified and state.verified.ok else None
        if late(verified, state.since, plan.verify_days * DAY_S + LATE_S, now):
            found.append(("unverified", "no snapshot was verified by boot for too long"))
    if state.verified is not None and not state.verified.ok:
        text = f"{state.verified.name} is no good, or could not be tried: {state.verified.text}"
        found.append(("no-good", text))
    return found


def late(did: Did | None, since: float, most_s: float, now: float) -> bool:
    """Tell whether something is too long ago, or was done by a clock that was ahead."""
    if did is None:
        return now - since > most_s + FIRST_S
    return not -AHEAD_S < now - did.t < most_s


def date(t: float) -> str:
    """Return Unix seconds as the host's people read them."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(t))


def _line(word: str, did: Did | None, now: float) -> str:
    if did is None:
        return f"{word:<8} never"
    how = "ok" if did.ok else "BAD"
    return f"{word:<8} {ago(now - did.t)}  {how}  {did.name or '-'}  {did.text}"
