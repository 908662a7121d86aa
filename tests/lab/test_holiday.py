"""The operator is away: ten days and more of scheduled work, compressed by the lab's clock.

Between two jumps the Mac is asleep, so what is scheduled must be done by the clock and not by how
often launchd came round. The nights have in them what clocks do: they are set back and ahead, the
Mac sleeps through the hour, and summer time begins or ends.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.lab.agent_keep import AgentKeep
from tests.lab.guarding import events, is_open, read, wait
from tests.lab.holiday import (
    BACKUP_AT,
    HIGH,
    KEEP,
    RETENTION,
    SNAPSHOT_AT,
    STORE,
    ZONE,
    Holiday,
    begun,
    doubled,
    posts,
    standing,
)  # fmt: skip
from tests.lab.keep import GUEST
from tests.recording import Faults

pytestmark = [pytest.mark.lab, pytest.mark.slow]

ONCE, NEVER = (1, 1), (0, 0)


@dataclass
class Story:
    """What happened: each night's backups and snapshots, as they were counted and as expected."""

    holiday: Holiday
    began: float
    told: int
    boots: int
    nights: list[tuple[str, tuple[int, int], tuple[int, int]]] = field(default_factory=list)
    incident: tuple[int, int] = (0, 0)

    def count(self, what: str, expected: tuple[int, int]) -> None:
        self.nights.append((what, self.holiday.new(), expected))


@pytest.fixture(scope="module")
def holiday(clocked: AgentKeep) -> Holiday:
    """A keep in Berlin with everything scheduled, four days before the clocks are changed."""
    return begun(clocked)


def night(story: Story, what: str, *, between: Callable[[], None] = lambda: None) -> None:
    """Live through a night: just before and just after each scheduled time."""
    away = story.holiday
    away.talk()
    away.next(BACKUP_AT, seconds=-15)
    away.tick("backup")
    story.count(f"{what}: before the backup's time", NEVER)
    away.next(BACKUP_AT, seconds=1)
    away.tick("backup")
    away.idle()
    story.count(f"{what}: after the backup's time", (1, 0))
    between()
    away.next(SNAPSHOT_AT, seconds=-15)
    away.tick()
    story.count(f"{what}: before the snapshot's time", NEVER)
    away.next(SNAPSHOT_AT, seconds=1)
    away.tick()
    story.count(f"{what}: after the snapshot's time", (0, 1))
    away.idle()
    away.wait_for_canary()


def stored(away: Holiday) -> int:
    """Return how many backups there are that are known, and how many new ones."""
    there = set(away.host(f"ls {STORE}/manifests").split())
    return len(set(away.backups) | there)


@pytest.fixture(scope="module")
def story(holiday: Holiday) -> Story:
    """Ten nights."""
    away, clock = holiday, holiday.clock
    story = Story(away, clock.now(), len(posts(away)), away.boots())
    night(story, "plain")

    def stepped() -> None:
        # As time's server does it: back over the moment, and ahead again.
        clock.set(at(away, BACKUP_AT) - 1)
        time.sleep(3)
        clock.forward(0.3)

    night(story, "a step of NTP's", between=stepped)
    night(story, "plain")
    away.talk()
    away.next(dt.time(22))
    away.next(dt.time(6))  # Eight hours: both times pass in one sleep.
    away.tick("backup")
    away.tick()
    away.idle()
    story.count("asleep from ten to six", ONCE)
    # The night in which the clocks are changed has been among these, or is the next one.
    night(story, "plain")

    def set_back() -> None:
        away.next(BACKUP_AT, seconds=300)
        clock.forward(-3600)
        away.next(BACKUP_AT, seconds=30)
        away.tick("backup")
        story.count("the backup's time comes again", NEVER)

    night(story, "set back by an hour after the backup", between=set_back)
    night(story, "plain")
    clock.forward(-3600)
    away.next(SNAPSHOT_AT, seconds=30)
    away.tick()
    time.sleep(2)
    story.count("the snapshot's time comes again", NEVER)
    away.talk()
    away.next(dt.time(22))
    away.sleep_until(away.now() + dt.timedelta(hours=30))
    away.tick("backup")
    away.tick()
    away.idle()
    # Two backups' times have passed, and are one; of the snapshots' it was one.
    story.count("thirty hours of sleep", ONCE)
    away.next(SNAPSHOT_AT, seconds=1)
    away.tick()
    away.idle()
    story.count("the rest of that night", (0, 1))
    before = len(posts(away))
    assert away.agent.built.host("pfctl -d").returncode == 0
    wait("the alert", lambda: "pf is disabled" in "".join(posts(away)[before:]), 60)
    wait("its end", lambda: "OVER after" in "".join(posts(away)[before:]), 60)
    story.incident = (before, len(posts(away)))
    wait("the doors", lambda: is_open(away.agent.built), 60)
    night(story, "plain")
    return story


def at(away: Holiday, moment: dt.time) -> float:
    return dt.datetime.combine(away.now().date(), moment, ZONE).timestamp()


def test_each_period_has_one_of_each_whatever_the_clock_did(story: Story, faults: Faults) -> None:
    assert [(what, got) for what, got, _ in story.nights] == [
        (what, expected) for what, _, expected in story.nights
    ]
    assert story.holiday.clock.now() - story.began > 9 * 86_400
    for what in dict.fromkeys(night.partition(":")[0] for night, _, _ in story.nights):
        faults.show("clock", what, "one backup and one snapshot a day; no job ran twice", lost=0)


def test_the_clocks_were_changed_meanwhile(story: Story) -> None:
    before = dt.datetime.fromtimestamp(story.began, ZONE).utcoffset()
    assert story.holiday.now().utcoffset() != before


def test_rotation_leaves_exactly_the_right_seven_and_the_newest_verified(story: Story) -> None:
    away = story.holiday
    assert len(away.snapshots) > KEEP + 1
    records = away.records()
    verified = [name for name in away.snapshots if records.get(name, {}).get("verified")]
    expected = set(away.snapshots[-KEEP:]) | set(verified[-1:])
    assert set(records) == expected
    assert verified
    there = away.agent.built.lab.exec(
        "host", ["/opt/homebrew/bin/tart", "list", "--source", "local", "--quiet"], user="operator"
    )
    assert set(there.stdout.split()) == {GUEST, f"{GUEST}-base", *expected}
    # Each is for another day, which begins at the snapshot's time.
    at = dt.timedelta(hours=SNAPSHOT_AT.hour, minutes=SNAPSHOT_AT.minute)
    assert doubled(day(name, at) for name in away.snapshots) == []


def day(name: str, begins: dt.timedelta = dt.timedelta()) -> str:
    """Return the local day of a name's stamp."""
    found = re.search(r"(\d{8}T\d{6})Z", name)
    assert found
    moment = dt.datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=dt.UTC)
    return (moment.astimezone(ZONE).replace(tzinfo=None) - begins).date().isoformat()


def test_backups_are_those_of_the_last_days_weeks_and_months(story: Story) -> None:
    away = story.holiday
    days = {day(name): name for name in away.backups}  # The last of each day.
    newest = sorted(days, reverse=True)
    expected = {days[newest[0]]}
    periods: list[tuple[int, Callable[[str], str]]] = [
        (RETENTION["daily"], str),
        (RETENTION["weekly"], lambda d: "{}-{}".format(*dt.date.fromisoformat(d).isocalendar())),
        (RETENTION["monthly"], lambda d: d[:7]),
    ]
    for count, period in periods:
        seen, left = "", count
        for one in newest:
            if period(one) == seen:
                continue
            seen = period(one)
            if left and days[one] not in expected:
                expected.add(days[one])
                left -= 1
    data = json.loads(away.agent.built.clawkeep("backup", "list", "--json").stdout)
    there = [backup["name"] for backup in data["backups"]]
    assert len(there) < len(away.backups)
    assert set(there) == expected
    assert away.agent.built.clawkeep("backup", "status").returncode == 0
    restored = json.loads(away.agent.built.clawkeep("backup", "restore", "--json").stdout)
    assert restored["differences"] == []


def test_what_the_guest_did_is_on_record_once(story: Story) -> None:
    away = story.holiday
    assert len(away.talked) > 8
    said = away.agent.built.clawkeep(
        "traffic", "--json", "--limit", "2000", "--since", "30d", "--service", "home-assistant"
    )
    ports = Counter(int(row["peer"].rpartition(":")[2]) for row in json.loads(said.stdout))
    assert {port: count for port, count in ports.items() if port >= HIGH} == dict.fromkeys(
        away.talked, 1
    )


def test_logs_are_whole_and_hold_no_line_twice(story: Story) -> None:
    built = story.holiday.agent.built
    done = built.clawkeep("logs", "--since", "30d", "--json")
    rows: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    # The store holds each event's line, by its own date.
    began = story.began - 86_400
    found = (round(row["t"], 3) for row in rows if row["log"] == "events.jsonl")
    pulled = Counter(t for t in found if t > began)
    dates = (dt.datetime.fromisoformat(event["t"]).timestamp() for event in events(built))
    noted = Counter(t for t in dates if t > began)
    assert len(pulled) > 20
    assert len(list((noted - pulled).elements())) <= 1  # One may have come meanwhile.
    assert not {t for t in pulled - noted if t < max(noted)}
    accepted = [
        port
        for row in rows
        if row["log"].startswith("bridge-home-assistant")
        for port in re.findall(r"accepting connection from AF=2 [\d.]+:(61\d\d\d) ", row["text"])
    ]
    assert sorted(map(int, accepted)) == story.holiday.talked
    assert [row["t"] for row in rows] == sorted(row["t"] for row in rows)
    # What the host has pulled of the agent's is what the guest has, line by line.
    said = built.clawkeep("logs", "agent", "--since", "30d", "--raw").stdout
    there = Counter(line.strip() for line in said.splitlines())
    kept = [row["text"].strip() for row in rows if row["source"] == "agent"]
    dated = [text for text in kept if re.match(r"\[\d\d:\d\d:\d\d\.\d{3}\] ", text)]
    assert len(dated) > 50
    assert doubled(dated) == []
    assert Counter(dated) - there == Counter()


def test_what_went_wrong_was_told_once_and_so_was_its_end(story: Story) -> None:
    first, last = story.incident
    told = posts(story.holiday)
    assert len(told[first:last]) == 2, told[first:last]
    others = told[story.told : first] + told[last:]
    assert "\n".join(others) == ""
    assert standing(story.holiday) == []


def test_the_guest_was_down_for_snapshots_and_for_nothing_else(story: Story) -> None:
    away = story.holiday
    made = sum(got[1] for _, got, _ in story.nights)
    assert away.boots() - story.boots == made
    kinds = Counter(event["kind"] for event in events(away.agent.built))
    assert not {"stopped", "repair", "leak"} & set(kinds), kinds


def ill(away: Holiday) -> str:
    """Say what is not well, but for this machine's load; what nobody can tell is not ill."""
    status = away.agent.built.status()
    broken = [door["name"] for door in status["doors"] if not door["probe"]]
    health = status["health"]
    fine = health["verdict"] != "ill" or health["cause"] == "overloaded"
    if fine and status["anchor"] == "in force" and not broken:
        return ""
    return json.dumps({"anchor": status["anchor"], "doors": broken, "health": health})


def test_the_keep_holds_and_is_well(story: Story) -> None:
    away = story.holiday
    away.wait_for_canary()
    assert away.agent.answer("still there?").startswith("You said: still there?")
    deadline = time.monotonic() + 120
    while (why := ill(away)) and time.monotonic() < deadline:
        time.sleep(2)
    assert why == ""
    assert read(away.agent.built, "/opt/clawkeep/var/snapshots/task.json") == ""
