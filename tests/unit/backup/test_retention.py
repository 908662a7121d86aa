"""Which backups are kept, and what is said of how they are."""

from __future__ import annotations

import datetime as dt
import time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.backup import state
from clawkeep.backup.errors import BackupError
from clawkeep.backup.plan import Plan, Retention, Source, Target, parse
from clawkeep.backup.repository import Backup
from clawkeep.backup.retention import kept
from clawkeep.backup.state import BAD, DAY_S, UNKNOWN, WELL, Did, State

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC).timestamp()


def made(days_ago: float, problems: int = 0) -> Backup:
    return Backup(f"d{days_ago}", NOON - days_ago * DAY_S, "", 1, 1, 1, problems)


def names(backups: list[Backup], **rules: int) -> set[str]:
    return set(
        kept(backups, Retention(**{"last": 1, "daily": 0, "weekly": 0, "monthly": 0, **rules}))
    )


def test_the_newest_of_each_day() -> None:
    backups = [made(0), made(0.1), made(0.2), made(1), made(1.1), made(2), made(5)]
    assert names(backups, daily=2) == {"d0", "d1", "d2"}  # The last one uses up no day.


def test_two_mornings_are_two_days_also_when_the_clocks_are_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        # 01:15 of four days; on the third summer time begins. In UTC two of them share a day.
        zone = ZoneInfo("Europe/Berlin")
        mornings = [dt.datetime(2027, 3, day, 1, 15, tzinfo=zone) for day in (26, 27, 28, 29)]
        backups = [Backup(f"{m:%d}", m.timestamp(), "", 1, 1, 1, 0) for m in mornings]
        assert len({dt.datetime.fromtimestamp(b.time, dt.UTC).date() for b in backups}) == 3
        assert names(backups, daily=3) == {"26", "27", "28", "29"}
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(("ahead_h", "young"), [(1, True), (3, False)])
def test_a_clock_put_right_by_an_hour_makes_no_backup_too_old(ahead_h: int, young: bool) -> None:
    well = Did(NOON + ahead_h * 3600, ok=True, text="")
    found = State(created=well, good=well, tested=well)
    assert (state.problems(found, PLAN, NOON, NOON) == []) == young


def test_weeks_and_months_reach_back_further() -> None:
    backups = [made(n) for n in range(400)]
    found = kept(backups, Retention(1, 7, 4, 6))
    assert len(found) == 1 + 7 + 4 + 6
    assert sum(rule.startswith("monthly") for rule in found.values()) == 6
    oldest = max(float(name[1:]) for name in found)
    assert 150 < oldest < 250


def test_the_newest_without_problems_is_kept_however_old() -> None:
    assert names([made(0, 1), made(1, 1), made(300), made(301)]) == {"d0", "d300"}


@given(
    st.lists(st.integers(0, 40_000), unique=True, max_size=60),
    *[st.integers(0, 9)] * 3,
    st.integers(1, 9),
)
def test_never_none_and_never_more_than_was_said(
    hours: list[int], daily: int, weekly: int, monthly: int, last: int
) -> None:
    days = [n / 24 for n in hours]
    backups = [made(n) for n in days]
    found = kept(backups, Retention(last, daily, weekly, monthly))
    assert bool(found) == bool(days)
    assert len(found) <= last + daily + weekly + monthly
    newest = sorted(days)[:last]
    assert {f"d{n}" for n in newest} <= set(found)


PLAN = Plan(Target("/x"), (Source("agent", "guest", "/y", skip=("a",)),), "claw", Retention())


def test_a_plan_comes_back_from_its_text() -> None:
    assert parse(PLAN.text()) == PLAN
    for spoilt in ("", "[]", "{}", PLAN.text().replace('"format": 1', '"format": 2'), "null"):
        with pytest.raises(BackupError, match="converge"):
            parse(spoilt)


def did(days_ago: float, ok: bool = True) -> Did:
    return Did(NOON - days_ago * DAY_S, ok, "text")


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (State(), UNKNOWN),
        (State(created=did(0), good=did(0)), UNKNOWN),  # Never tried to restore.
        (State(created=did(0), good=did(0), tested=did(3)), WELL),
        (State(created=did(0), good=did(0), tested=did(9)), BAD),
        (State(created=did(0), good=did(0), tested=did(3, ok=False)), BAD),
        (State(created=did(0), good=did(0), tested=did(3), checked=did(1, ok=False)), BAD),
        (State(created=did(2), good=did(2), tested=did(3)), BAD),
        (State(created=did(0, ok=False), good=did(1), tested=did(3)), BAD),
        (State(created=did(0, ok=False)), BAD),
        (State(created=did(0), good=did(0), tested=did(-40)), BAD),  # By a clock that was wrong.
    ],
)
def test_how_the_backups_are(now: State, verdict: int) -> None:
    assert state.judged(state.parse(now.text()), PLAN, NOON)[0] == verdict


def test_a_failure_leaves_the_last_success() -> None:
    now = State().noted("created", did(1)).noted("created", did(0, ok=False))
    assert now.good == did(1)
    assert now.created == did(0, ok=False)


def test_a_state_that_cannot_be_read_is_no_good_news() -> None:
    for text in (None, "", "x", "[]", '{"created": 3}'):
        assert state.judged(state.parse(text), PLAN, NOON)[0] == UNKNOWN
