"""A day has one snapshot: over changed clocks, clocks that jump, sleep, and days of work."""

from __future__ import annotations

import datetime as dt
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from clawkeep.daily import slot
from clawkeep.snapshots import schedule
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.records import SCHEDULED, State
from tests.unit.snapshots.fake_mac import GUEST, Host, KilledError

MINUTE, HOUR, DAY = 60, 3600, 86_400


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Berlin's clocks: 2026 forward on 29 March at 2, back on 25 October at 3."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def local(text: str, fold: int = 0) -> float:
    return dt.datetime.fromisoformat(text).replace(fold=fold).timestamp()


def daily(folder: Path, start: str, **values: object) -> Host:
    it = Host(folder)
    it.declare(at="02:30", **values)
    it.mac.time = local(start)
    assert not it.work().tick()
    return it


def ticks(it: Host, seconds: float, every: float = MINUTE) -> list[float]:
    """Tick as launchd does; return the times at which a snapshot was made."""
    made, end = [], it.mac.time + seconds
    while it.mac.time < end:
        before = it.shelf.state().number
        it.work().tick()
        made += [it.mac.time] * (it.shelf.state().number - before)
        it.mac.time += every
    return made


def days(made: list[float]) -> list[str]:
    return [dt.datetime.fromtimestamp(t).isoformat(" ", "minutes") for t in made]


def test_the_first_is_for_a_time_that_still_comes(tmp_path: Path) -> None:
    it = daily(tmp_path, "2026-07-01 12:00")
    assert ticks(it, 14 * HOUR) == []
    assert days(ticks(it, DAY)) == ["2026-07-02 02:30"]


def test_an_hour_that_does_not_exist(tmp_path: Path) -> None:
    it = daily(tmp_path, "2026-03-28 12:00")
    assert days(ticks(it, 2 * DAY)) == ["2026-03-29 03:00", "2026-03-30 02:30"]


def test_an_hour_that_comes_twice(tmp_path: Path) -> None:
    it = daily(tmp_path, "2026-10-24 12:00")
    made = ticks(it, 2 * DAY)
    assert days(made) == ["2026-10-25 02:30", "2026-10-26 02:30"]
    assert made[1] - made[0] == 25 * HOUR


def test_a_mac_that_slept_makes_it_when_it_wakes(tmp_path: Path) -> None:
    it = daily(tmp_path, "2026-07-01 22:00")
    it.mac.time = local("2026-07-04 09:00")
    assert days(ticks(it, DAY)) == ["2026-07-04 09:00", "2026-07-05 02:30"]


def test_a_failed_one_is_tried_thrice_an_hour_apart(tmp_path: Path) -> None:
    it = daily(tmp_path, "2026-07-01 12:00")
    it.mac.room, tried = 0, []
    end = local("2026-07-02 20:00")
    while it.mac.time < end:
        try:
            it.work().tick()
        except SnapshotError as error:
            tried.append(it.mac.time)
            assert "no room for a snapshot" in str(error)  # noqa: PT017
        it.mac.time += MINUTE
    assert days(tried) == ["2026-07-02 02:30", "2026-07-02 03:30", "2026-07-02 04:30"]
    assert GUEST in it.mac.running
    assert it.mac.calls == []
    it.mac.room = 10**12
    assert days(ticks(it, DAY)) == ["2026-07-03 02:30"]


def test_two_ticks_at_the_same_time_make_one(tmp_path: Path) -> None:
    it = daily(tmp_path, "2026-07-01 12:00")
    it.mac.time = local("2026-07-02 02:30")
    assert it.work().tick()
    assert not it.work().tick()
    assert len(it.snapshots()) == 1


@pytest.mark.parametrize("back_s", [MINUTE, HOUR, 20 * HOUR])
def test_a_clock_set_back_makes_no_second_one(back_s: float, tmp_path: Path) -> None:
    it = daily(tmp_path, "2026-07-01 12:00")
    it.mac.time = local("2026-07-02 02:30")
    assert it.work().tick()
    it.mac.time -= back_s
    assert ticks(it, back_s) == []


def test_a_clock_that_was_years_ahead_stops_nothing(tmp_path: Path) -> None:
    it = daily(tmp_path, "2026-07-01 12:00")
    it.mac.time = local("2038-01-19 04:00")
    assert it.work().tick()
    it.mac.time = local("2026-07-05 12:00")
    it.work().tick()  # It has been days, as far as anybody knows.
    assert days(ticks(it, 2 * DAY)) == ["2026-07-06 02:30", "2026-07-07 02:30"]


def test_a_slot_is_the_last_that_passed() -> None:
    assert slot("03:30", local("2026-07-02 03:29")) == "2026-07-01"
    assert slot("03:30", local("2026-07-02 03:30")) == "2026-07-02"
    assert not schedule.due(State(since=1.0), "", local("2026-07-02 03:30"))


def test_verified_every_few_days_and_once_a_day_at_most(tmp_path: Path) -> None:
    it = daily(tmp_path, "2026-07-01 12:00", verify_days=3)
    ticks(it, 10 * DAY, every=10 * MINUTE)
    tried = [line for line in it.mac.events if "boots and is whole" in line]
    assert [line.partition("snap-")[2][:8] for line in tried] == [
        "20260702", "20260705", "20260708", "20260711",
    ]  # fmt: skip
    it.mac.bad = {"first"}
    ticks(it, 3 * DAY, every=10 * MINUTE)
    # What is no good is looked at again with each day's.
    assert sum("IS NO GOOD" in line for line in it.mac.events) == 1


@pytest.mark.parametrize("seed", range(5))
def test_weeks_of_work_with_everything_going_wrong(seed: int, tmp_path: Path) -> None:
    """12 days in minutes: killed at random points, asleep, full, and clocks that are changed.

    Each day has one snapshot at most, the right seven are left, and each is on record.
    """
    chance = random.Random(seed)
    it = daily(tmp_path, "2026-03-20 12:00", verify_days=2)
    it.mac.disks["vm-base"] = it.mac.disks["vm-precious"] = "base"
    slots, end, room = list[str](), local("2026-04-01 12:00"), it.mac.room
    while it.mac.time <= end:
        last = it.mac.time >= end - DAY / 2
        it.again(killed_at=chance.randrange(1, 60) if chance.random() < 0.5 and not last else 0)
        it.mac.room = 0 if chance.random() < 0.1 and not last else room
        before = {r.name for r in it.shelf.records()}
        try:
            it.work().tick()
        except (KilledError, SnapshotError):
            it.again()
        slots += [slot("02:30", r.t) for r in it.shelf.records() if r.name not in before]
        it.mac.disks[GUEST] = f"at {it.mac.time}"
        it.mac.time += HOUR * chance.choice([9, 20]) if chance.random() < 0.01 else 10 * MINUTE
    it.work().prune()
    assert [day for day, count in Counter(slots).items() if count > 1] == []
    assert len(slots) >= 10
    found = sorted(it.shelf.records(), key=lambda r: r.number)
    newest = sorted(set(slots))[-7:]
    assert [slot("02:30", r.t) for r in found[-7:]] == newest
    proven = [r for r in found if r.verified]
    assert len(found) == 7 or (len(found) == 8 and found[0] == proven[-1])
    assert all(r.kind == SCHEDULED for r in found)
    assert it.mac.disks.keys() == {r.name for r in found} | {GUEST, "vm-base", "vm-precious"}
    # The journal has each that was made, and each that went.
    noted = {line.partition(" ")[0] for line in it.mac.events if " was made " in line}
    assert len(noted) == len(slots)
    gone = {
        line.partition(" ")[0]
        for line in it.mac.events
        if " was deleted" in line or " gone" in line
    }
    assert noted - gone == {r.name for r in found}
    assert it.mac.running == {GUEST}
    assert os.environ["TZ"] == "Europe/Berlin"
