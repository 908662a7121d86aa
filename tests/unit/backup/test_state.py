"""What somebody should know of backups: judged from what is on record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clawkeep.backup.plan import Plan, Retention, Target
from clawkeep.backup.state import DAY_S, Did, State, judged, problems

PLAN = Plan(Target("/backups"), (), "claw", Retention())
NOW = 1_800_000_000.0
DECLARED = NOW - 90 * DAY_S
GOOD = Did(NOW - 3600, True, "12 files", "b1")
WELL = State(1, GOOD, GOOD, Did(NOW - 2 * DAY_S, True, "12 files came back"))
BAD = Did(NOW - 60, False, "no space")


def keys(state: State, declared: float = DECLARED) -> list[str]:
    return [key for key, _ in problems(state, PLAN, declared, NOW)]


def test_what_is_made_and_tested_in_time_is_nothing_to_tell() -> None:
    assert keys(WELL) == []
    assert judged(WELL, PLAN, NOW)[0] == 0


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (replace(WELL, created=BAD), ["failed"]),
        (replace(WELL, good=replace(GOOD, t=NOW - 2 * DAY_S)), ["late"]),
        (replace(WELL, good=replace(GOOD, t=NOW + DAY_S)), ["late"]),
        (replace(WELL, tested=BAD), ["untested"]),
        (replace(WELL, tested=Did(NOW - 9 * DAY_S, True, "")), ["untested"]),
        (replace(WELL, checked=BAD), ["spoilt"]),
        (State(), ["late", "untested"]),
    ],
)
def test_each_thing_that_is_wrong_is_told(state: State, told: list[str]) -> None:
    assert keys(state) == told
    assert judged(state, PLAN, NOW)[0] != 0


def test_what_was_declared_just_now_is_not_late() -> None:
    assert keys(State(), declared=NOW - 3600) == []
    assert keys(replace(State(), created=BAD), declared=NOW - 3600) == ["failed"]


def test_the_words_say_why_and_since_when() -> None:
    told = dict(problems(replace(WELL, created=BAD), PLAN, DECLARED, NOW))
    assert told["failed"].endswith("no space")
    late = replace(WELL, good=replace(GOOD, t=NOW - 3 * DAY_S))
    assert dict(problems(late, PLAN, DECLARED, NOW))["late"].endswith("3 d ago")
