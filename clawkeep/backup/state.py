"""How the host's backups are: what was made last, what was tested, and whether that will do.

Standard library only: whoever judges needs no key and no repository.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from clawkeep import daily
from clawkeep.backup.plan import Plan

DAY_S: Final = 86_400
LATE_S: Final = DAY_S + DAY_S // 2
"""A daily backup that is older has failed to come."""

AHEAD_S: Final = 2 * 3600
"""What was done later than now was done by a clock that was wrong, and proves nothing.

A clock that is put right by an hour or two makes no backup of last night worthless.
"""

WELL, BAD, UNKNOWN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Did:
    """What was done at `t` (Unix seconds): `ok`, or `text` says what was wrong."""

    t: float
    ok: bool
    text: str
    name: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """The last try and the last success of each thing; `generation` is the catalogue's.

    `slot` is the last day whose scheduled backup was made, `since` when launchd first asked.
    """

    generation: int = 0
    created: Did | None = None
    good: Did | None = None
    tested: Did | None = None
    checked: Did | None = None
    slot: str = ""
    since: float = 0.0

    def text(self) -> str:
        """Return it as it is kept."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def at(self, generation: int) -> State:
        """Return the state after this generation of the catalogue was seen."""
        return replace(self, generation=generation)

    def noted(self, what: str, did: Did) -> State:
        """Return the state after something was done."""
        changes: dict[str, Any] = {what: did}
        if what == "created" and did.ok:
            changes["good"] = did
        return replace(self, **changes)


def parse(text: str | None) -> State:
    """Read it; what cannot be read is as if nothing had ever been done."""
    try:
        data = json.loads(text or "{}")
        for name in ("created", "good", "tested", "checked"):
            if data.get(name):
                data[name] = Did(**data[name])
        return State(**data)
    except (ValueError, TypeError, AttributeError):
        return State()


def due(state: State, at: str, now: float) -> bool:
    """Tell whether the day's backup is to be made now. The first is one for a time still to come.

    One with problems was made.
    """
    today = daily.slot(at, now)
    if not state.since or daily.done(daily.slot(at, state.since), today):
        return False
    last = state.created
    failed = last is not None and not last.ok and not last.name
    tried = failed and last is not None and 0 <= now - last.t < daily.RETRY_S
    return not tried and not daily.done(state.slot, today)


def judged(state: State, plan: Plan, now: float) -> tuple[int, list[str]]:
    """Return the verdict (0 well, 1 bad, 2 cannot tell) and a line for each thing."""
    if state.created is None:
        return UNKNOWN, ["CREATED  never"]
    lines = [_line("CREATED", state.created, now)]
    bad = not state.created.ok
    if state.good is None:
        bad = True
        lines.append("GOOD     never: no backup was ever made without a problem")
    else:
        late = not _young(state.good.t, LATE_S, now)
        lines.append(_line("GOOD", state.good, now) + (": too old" if late else ""))
        bad |= late
    if state.tested is None:
        lines.append("TESTED   never")
    else:
        late = not _young(state.tested.t, plan.test_days * DAY_S + LATE_S, now)
        lines.append(_line("TESTED", state.tested, now) + (": too long ago" if late else ""))
        bad |= late or not state.tested.ok
    if state.checked is not None:
        lines.append(_line("CHECKED", state.checked, now))
        bad |= not state.checked.ok
    return (BAD if bad else UNKNOWN if state.tested is None else WELL), lines


def problems(state: State, plan: Plan, declared: float, now: float) -> list[tuple[str, str]]:
    """Return what somebody should know: a key for each kind of it, and the words.

    `declared` is when backups were declared (Unix seconds): nothing can be older than it is.
    """
    found = []
    if state.created and not state.created.ok:
        found.append(("failed", f"the last backup was not made: {state.created.text}"))
    if not _young(state.good.t if state.good else declared, LATE_S, now):
        when = ago(now - state.good.t) if state.good else "never"
        found.append(("late", f"the last good backup was made {when}"))
    if state.tested and not state.tested.ok:
        found.append(("untested", f"a backup did not come back whole: {state.tested.text}"))
    elif not _young(
        state.tested.t if state.tested else declared, plan.test_days * DAY_S + LATE_S, now
    ):
        when = ago(now - state.tested.t) if state.tested else "never"
        found.append(("untested", f"whether a backup comes back was tested {when}"))
    if state.checked and not state.checked.ok:
        found.append(("spoilt", f"the repository is not whole: {state.checked.text}"))
    return found


def _young(t: float, age_s: float, now: float) -> bool:
    return -AHEAD_S < now - t < age_s


def _line(word: str, did: Did, now: float) -> str:
    how = "ok" if did.ok else "BAD"
    return f"{word:<8} {ago(now - did.t)}  {how}  {did.name or '-'}  {did.text}"


def ago(seconds: float) -> str:
    """Return an age in the largest unit that fits: `3 h ago`."""
    if seconds < 0:
        return "in the future"
    for unit, length in (("d", DAY_S), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
