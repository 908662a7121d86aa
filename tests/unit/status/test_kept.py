"""What a host has on record besides: read with the one question, and judged by its age."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from clawkeep.audit.note import DAY_S, Last, Note, Schedule
from clawkeep.backup.plan import Plan as BackupPlan
from clawkeep.backup.plan import Retention, Target
from clawkeep.backup.state import Did
from clawkeep.backup.state import State as BackupState
from clawkeep.snapshots.plan import Plan
from clawkeep.snapshots.records import Record, State, Task
from clawkeep.status.kept import Kept
from clawkeep.updates.journal import APPLYING, BY_HAND, Entry
from clawkeep.verdict import Verdict
from tests.unit.status.world import World

HOUR_S = 3600
RUNS = "55\t0\tcom.nanoclaw.alerts\n"
BRIDGES = "PID\tStatus\tLabel\n812\t0\tcom.nanoclaw.bridge.web\n"


def alerts(world: World, *standing: dict[str, Any], ago_s: float = 3, job: str = RUNS) -> None:
    rows = [
        {"key": "guard-cut", "severity": "critical", "text": "the guest is cut off",
         "since": time.time() - 200, "silenced": False, "settling": False, **row}
        for row in standing
    ]  # fmt: skip
    world.says("jobs", BRIDGES + job)
    data = {"t": time.time() - ago_s, "hooks": 1, "waiting": 2, "standing": rows}
    world.says("alerts.json", json.dumps(data))


def kept(world: World, name: str) -> Kept:
    (found,) = [each for each in world.report().kept if each.name == name]
    return found


def test_a_host_without_any_of_it_says_nothing_of_it(world: World) -> None:
    report = world.report()
    assert (report.kept, report.verdict) == ((), Verdict.WELL)


def test_all_of_it_comes_with_the_question_that_is_asked_anyway(world: World) -> None:
    alerts(world)
    world.says("audit.json", Note(last=Last(time.time(), "well", "me@x", 9)).text())
    assert {each.name for each in world.report().kept} == {"alerts", "audit"}
    assert len(world.host.commands) == 2


@pytest.mark.parametrize(
    ("rows", "verdict", "said"),
    [
        ([], Verdict.WELL, "none stands"),
        ([{}], Verdict.BAD, "1 stand: critical guard-cut for 3 min"),
        ([{"silenced": True}], Verdict.WELL, "none stands, 1 silenced"),
        ([{"settling": True}], Verdict.WELL, "none stands, 1 about to be over"),
        ([{"severity": "info", "text": "open"}], Verdict.WELL, "1 stand: info guard-cut"),
        ([{"text": "\x1b[2Jred\u202e"}], Verdict.BAD, "?[2Jred?"),
    ],
)
def test_alerts_that_stand_are_not_well(
    world: World, rows: list[dict[str, Any]], verdict: Verdict, said: str
) -> None:
    alerts(world, *rows)
    report = world.report()
    assert (report.verdict, report.working) == (verdict, Verdict.WELL)
    (line,) = [line for line in report.lines() if line.startswith("ALERTS")]
    assert said in line
    assert report.as_json()["kept"]["alerts"]["facts"]["waiting"] == 2


@pytest.mark.parametrize(
    ("ago_s", "job", "verdict"),
    [
        (30, RUNS, Verdict.WELL),
        (600, RUNS, Verdict.BAD),
        (-600, RUNS, Verdict.BAD),
        (3, RUNS.replace("55", "-"), Verdict.BAD),
    ],
)
def test_a_job_of_the_alerts_that_says_nothing_is_seen(
    world: World, ago_s: float, job: str, verdict: Verdict
) -> None:
    alerts(world, ago_s=ago_s, job=job)
    assert kept(world, "alerts").verdict is verdict


def test_what_the_job_has_not_said_yet_is_unknown(world: World) -> None:
    alerts(world)
    world.says("alerts.json", "{")
    assert kept(world, "alerts").verdict is Verdict.UNKNOWN


def snapshot(name: str, hours: float, verified: float = 0.0, guest: str = "keep") -> Record:
    now = time.time() - 5
    return Record(
        f"{guest}-{name}", guest, "scheduled", 1, now - hours * HOUR_S, "daily", "m",
        verified=now - verified * HOUR_S if verified else 0.0,
    )  # fmt: skip


def shelf(world: World, state: State, *found: Record) -> None:
    world.says("snapshots.json", Plan(at="04:30").text())
    world.says("snapshots/state.json", state.text())
    (world.folder / "says/snapshots/records").mkdir(exist_ok=True)
    for one in found:
        world.says(f"snapshots/records/{one.name}.json", one.text())


def test_the_newest_snapshot_and_the_newest_verified_have_an_age(world: World) -> None:
    now = time.time()
    good = Did(now - 5 * HOUR_S, ok=True, text="", name="keep-b")
    seen = Did(now - 50 * HOUR_S, ok=True, text="", name="keep-a")
    shelf(
        world, State(since=now - 9 * DAY_S, created=good, good=good, verified=seen),
        snapshot("a", 53, verified=50), snapshot("b", 5), snapshot("c", 1, guest="other"),
    )  # fmt: skip
    found = kept(world, "snapshots")
    assert (found.verdict, found.facts["count"]) == (Verdict.WELL, 2)
    assert found.text == "newest 5 h ago; newest verified 2 d 2 h ago"
    # One that cannot be read costs no other one its place.
    world.says("snapshots/records/keep-aa.json", '{"format": 9}')
    assert kept(world, "snapshots").facts == found.facts


def test_a_snapshot_that_is_overdue_is_not_well(world: World) -> None:
    now = time.time()
    old = Did(now - 60 * HOUR_S, ok=True, text="", name="keep-a")
    shelf(world, State(since=now - 9 * DAY_S, created=old, good=old, verified=old),
          snapshot("a", 60, verified=60))  # fmt: skip
    report = world.report()
    assert (report.verdict, report.working) == (Verdict.BAD, Verdict.WELL)
    assert "no daily snapshot was made" in kept(world, "snapshots").text


def test_a_snapshot_under_way_is_said_and_one_that_nobody_ends_is_not_well(world: World) -> None:
    now = time.time()
    good = Did(now - HOUR_S, ok=True, text="", name="keep-a")
    shelf(world, State(since=now - DAY_S, created=good, good=good, verified=good))
    task = Task("create", "keep-b", "keep", now - 60, up=True)
    world.says("snapshots/task.json", task.text())
    found = kept(world, "snapshots")
    assert (found.verdict, "create of keep-b under way" in found.text) == (Verdict.WELL, True)
    world.says("snapshots/task.json", replace(task, t=now - 5000).text())
    assert kept(world, "snapshots").verdict is Verdict.BAD
    world.says("snapshots/task.json", "{")
    assert kept(world, "snapshots").verdict is Verdict.UNKNOWN


def test_a_backup_that_is_late_or_spoilt_is_not_well(world: World) -> None:
    assert world.report().kept == ()
    now = time.time()
    plan = BackupPlan(Target("/Volumes/b"), (), "claw", Retention())
    world.says("backup-plan.json", plan.text())
    good, tested = Did(now - 5 - HOUR_S, ok=True, text=""), Did(now - 5 - DAY_S, ok=True, text="")
    state = BackupState(created=good, good=good, tested=tested)
    world.says("backup.json", state.text())
    assert kept(world, "backup").text == "good 1 h ago; restore tested 1 d ago"
    world.says("backup.json", replace(state, good=replace(good, t=now - 4 * DAY_S)).text())
    assert kept(world, "backup").verdict is Verdict.BAD


@pytest.mark.parametrize(
    ("stage", "verb"), [(APPLYING, "clawkeep update resume"), (BY_HAND, "clawkeep update finish")]
)
def test_an_update_that_has_not_ended_is_said_with_what_ends_it(
    world: World, stage: str, verb: str
) -> None:
    entry = Entry(stage, "keep-a", "me@x", time.time() - 4000, "update to node 22.12")
    world.says("update.json", entry.text())
    report = world.report()
    assert (report.verdict, report.working) == (Verdict.UNKNOWN, Verdict.WELL)
    assert f"by me@x: update to node 22.12; {verb}" in kept(world, "update").text


LAST = Last(0.0, "well", "me@laptop", passed=291)
DRIFTS = replace(LAST, verdict="bad", passed=290, failed=1, found=("host/file/x: gone",))
BLIND = replace(LAST, verdict="unknown", passed=200, unknown=91)


@pytest.mark.parametrize(
    ("last", "ago_h", "scheduled", "verdict", "said"),
    [
        (LAST, 2, True, Verdict.WELL, "2 h ago: 291 of 291 as declared"),
        (DRIFTS, 2, True, Verdict.BAD, "290 of 291 as declared, 1 differ"),
        (BLIND, 2, True, Verdict.UNKNOWN, "91 cannot be told"),
        (LAST, 40, True, Verdict.BAD, "OVERDUE"),
        (None, 40, True, Verdict.BAD, "never made; OVERDUE"),
        (LAST, -40, True, Verdict.BAD, "OVERDUE"),
        # Whoever audits by hand sees how it ends.
        (DRIFTS, 90, False, Verdict.WELL, "1 differ"),
        (replace(LAST, passed=290, accepted=1), 1, True, Verdict.WELL, "1 accepted"),
    ],
)
def test_the_last_audit_has_an_age_and_one_that_was_due_is_missed(
    world: World, last: Last | None, ago_h: float, scheduled: bool, verdict: Verdict, said: str
) -> None:
    now = time.time()
    schedule = Schedule(DAY_S, "me@laptop", now - 5 * DAY_S) if scheduled else None
    last = replace(last, t=now - 5 - ago_h * HOUR_S) if last else None
    world.says("audit.json", Note(schedule, last).text())
    found = kept(world, "audit")
    assert (found.verdict, said in found.text) == (verdict, True), found
    assert found.label == ("daily by me@laptop" if scheduled else "by hand")
    assert found.facts["overdue"] == ("OVERDUE" in said)
