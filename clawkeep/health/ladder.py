"""Which repair is due, if any: a state machine over what is wrong and what time it is. Pure.

One repair at a time, each rung a few times, then a longer wait; when all that could help has been
tried it stops, and only a person or a healthy quarter of an hour begins anew. It is written down
before it is done, so a watcher that is killed never does a repair twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from clawkeep.health.causes import CAUSES, GUEST, HOLD, JOB, PROCESS

HEALTHY_S: Final = 900.0
"""So long all must be well before a new fault starts at the first rung again. It is also the
longest that NanoClaw's circuit breaker waits. Source: reference/nanoclaw.md §1.10."""

TRIES: Final = {PROCESS: 1, JOB: 1, GUEST: 2, HOLD: 1}
"""How often each repair is tried in one episode. NanoClaw's breaker makes the third start in an
hour wait: one of a kind, then the next rung."""

ONCE: Final = frozenset({"vmnet-wedge", "crash-loop"})
"""Causes for which a repair is worth one try: a second would find the same."""

SETTLE_S: Final = {PROCESS: 90.0, JOB: 90.0, GUEST: 300.0, HOLD: 60.0}
"""How long a repair takes until it can be seen: an orderly end, launchd's throttle, a boot."""

WAITS_S: Final = (0.0, 60.0, 120.0, 300.0, 600.0, 900.0)
"""Back-off: the least wait after the first, second, … repair of an episode."""

MOST: Final = ((frozenset({PROCESS, JOB, GUEST}), 3, 3600.0), (frozenset({GUEST}), 4, 86400.0))
"""At most so many of these in so many seconds, episodes or not. NanoClaw's breaker counts the
starts of an hour: with three, the longest wait that ours alone can cause it is 30 s."""

REMEMBERED_S: Final = 86400.0


@dataclass(frozen=True, slots=True)
class Ladder:
    """What has been done. Moments are of the host's clock; 0 for never.

    `tried` are the repairs of this episode, `history` all of the last day.
    """

    tried: tuple[str, ...] = ()
    acted: float = 0.0
    cause: str = ""
    well_since: float = 0.0
    stopped: float = 0.0
    history: tuple[tuple[float, str], ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Decision:
    """The ladder from now on, the repair that is due ("" for none), and a sentence about it."""

    ladder: Ladder
    action: str
    says: str


def decide(now: float, ladder: Ladder, cause: str, hold: str = "") -> Decision:
    """Decide. `cause` is what is wrong, "" when nothing is; `hold` why nothing may be done now."""
    ladder = _of_now(ladder, now)
    if not cause:
        return _well(now, ladder)
    ladder = replace(ladder, well_since=0.0, cause=cause)
    known = CAUSES[cause]
    if not known.repairs:
        return Decision(ladder, "", f"no repair of ours helps: {known.fix}")
    action = _next(ladder, cause)
    if not action:
        return _spent(now, ladder, known.fix)
    if hold:
        return Decision(ladder, "", f"nothing is repaired: {hold}")
    due = max(_due(ladder), _allowed(ladder, action, now))
    if now < due:
        return Decision(ladder, "", f"{action}: not before {due - now:.0f} s from now")
    done = replace(
        ladder,
        tried=(*ladder.tried, action),
        acted=now,
        stopped=0.0,
        history=(*ladder.history, (now, action)),
    )
    return Decision(done, action, f"{action} is restarted" if action != HOLD else "it is left down")


def _of_now(ladder: Ladder, now: float) -> Ladder:
    """Forget what is long ago, and what is of a future that the host's clock took back."""
    return replace(
        ladder,
        history=tuple(each for each in ladder.history if 0 <= now - each[0] < REMEMBERED_S),
        acted=min(ladder.acted, now),
        well_since=min(ladder.well_since, now),
        stopped=min(ladder.stopped, now),
    )


def _spent(now: float, ladder: Ladder, fix: str) -> Decision:
    """Give up, once the last repair has had its time."""
    if (left := _due(ladder) - now) > 0:
        return Decision(ladder, "", f"{ladder.tried[-1]} was restarted; it has {left:.0f} s more")
    says = f"all repairs were tried ({', '.join(ladder.tried)}), none helped; "
    ladder = replace(ladder, stopped=ladder.stopped or now)
    return Decision(ladder, "", says + (fix or "a person must look"))


def _well(now: float, ladder: Ladder) -> Decision:
    if not ladder.tried and not ladder.cause:
        return Decision(replace(ladder, well_since=ladder.well_since or now), "", "")
    since = ladder.well_since or now
    if now - since >= HEALTHY_S:
        return Decision(Ladder(well_since=since, history=ladder.history), "", "")
    return Decision(replace(ladder, well_since=since), "", "well again")


def _next(ladder: Ladder, cause: str) -> str:
    """Return the lowest rung that is left; "" when there is none."""
    for rung in CAUSES[cause].repairs:
        limit = 1 if cause in ONCE else TRIES[rung]
        if ladder.tried.count(rung) < limit:
            return rung
    return ""


def _due(ladder: Ladder) -> float:
    if not ladder.tried:
        return 0.0
    back_off = WAITS_S[min(len(ladder.tried), len(WAITS_S) - 1)]
    return ladder.acted + max(SETTLE_S[ladder.tried[-1]], back_off)


def _allowed(ladder: Ladder, action: str, now: float) -> float:
    """Return when one more of these is within MOST."""
    due = 0.0
    for kinds, most, within_s in MOST:
        if action not in kinds:
            continue
        times = sorted(t for t, done in ladder.history if done in kinds and now - t < within_s)
        if len(times) >= most:
            due = max(due, times[-most] + within_s)
    return due


def parse(data: Any) -> Ladder:
    """Read what `as_data` returned; what cannot be read is a ladder on which nothing was done."""
    if not isinstance(data, Mapping):
        return Ladder()
    try:
        history = tuple((float(t), str(done)) for t, done in data["history"])[-100:]
        return Ladder(
            tuple(str(each) for each in data["tried"]),
            float(data["acted"]),
            str(data["cause"]),
            float(data["well_since"]),
            float(data["stopped"]),
            tuple(each for each in history if each[1] in SETTLE_S),
        )
    except (KeyError, TypeError, ValueError):
        return Ladder()
