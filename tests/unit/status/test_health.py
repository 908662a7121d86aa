"""The watcher's record as the operator sees it: from the host in one trip, never believed old."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from clawkeep.health.finding import Finding
from clawkeep.health.ladder import Ladder
from clawkeep.health.record import Record
from clawkeep.health.report import Report
from clawkeep.status.health import gather, loop
from clawkeep.verdict import Verdict
from tests.unit.status.world import World, watched

HUNG = Finding("loop", Verdict.BAD, "stands still", "no answer in 4 s", "loop-hung")


def report(world: World) -> Report:
    return gather(world.keep, world.target)


def test_a_keep_that_is_watched_and_well(world: World) -> None:
    found = report(world)
    assert (found.verdict, found.pid, found.watched) == (Verdict.WELL, 98, "")
    assert world.report().verdict is Verdict.WELL


def test_what_is_ill_has_its_cause_its_age_and_what_is_done(world: World) -> None:
    record = replace(watched(12, HUNG), says="process is restarted", ladder=Ladder(("process",)))
    world.says("health.json", record.text())
    found = report(world)
    data = found.as_json()
    assert (found.verdict, data["cause"]) == (Verdict.BAD, "loop-hung")
    (row,) = data["layers"]
    assert (row["layer"], row["verdict"], row["evidence"]) == ("loop", "ill", "no answer in 4 s")
    assert 10 < row["age_s"] < 60
    text = "\n".join(found.lines())
    assert "NanoClaw runs, but does nothing" in text
    assert "process is restarted" in text
    assert world.report().verdict is Verdict.BAD
    assert "does nothing" in "\n".join(world.report().lines())


@pytest.mark.parametrize(
    ("record", "job", "words"),
    [
        (watched(3600).text(), "\tpid = 98\n", "the last look is 1 h"),
        (watched().text(), "", "has no process"),
        ("{}", "\tpid = 98\n", "there is no record"),
        ("", "", "there is no record"),
    ],
)
def test_without_a_watcher_nothing_is_well(world: World, record: str, job: str, words: str) -> None:
    world.says("health.json", record)
    world.says("healthjob", job)
    found = report(world)
    assert found.verdict is Verdict.BAD
    assert words in found.summary
    assert "nobody watches" in "\n".join(found.lines())


def test_a_host_before_the_phase_that_brings_a_watcher_has_no_row_of_it(world: World) -> None:
    world.says("health.json", None)
    world.says("healthjob", "")
    assert world.report().health is None


def test_a_host_that_cannot_be_asked_is_unknown(world: World) -> None:
    found = gather(world.keep, replace(world.target, port=1))
    assert found.verdict is Verdict.UNKNOWN
    assert json.dumps(found.as_json())


def test_a_look_of_another_version_is_no_record(world: World) -> None:
    data = json.loads(watched().text())
    for name, value in itertools.product(data, (None, "x", [1])):
        world.says("health.json", json.dumps({**data, name: value}))
        assert report(world).verdict in {Verdict.BAD, Verdict.WELL, Verdict.UNKNOWN}


TURNS = Finding("loop", Verdict.WELL, "turns")


@pytest.mark.parametrize("seen", [TURNS, HUNG])
def test_what_was_seen_of_the_loop_a_moment_ago_is_told_with_its_age(
    world: World, seen: Finding
) -> None:
    world.says("health.json", watched(20, seen).text())
    row = loop(report(world))
    assert row is not None
    assert (row.verdict, row.value) == (seen.verdict, seen.value)
    assert row.age_s is not None
    assert 19 < row.age_s < 50


@pytest.mark.parametrize(
    "record",
    [
        lambda: watched(100, TURNS),
        lambda: watched(5, Finding("loop", Verdict.UNKNOWN, "not seen")),
        lambda: watched(5),
        lambda: replace(watched(20, TURNS), at=watched(1).at),
    ],
    ids=["old", "not known", "not looked at", "not in the last look"],
)
def test_a_loop_that_nobody_saw_just_now_is_tried(
    world: World, record: Callable[[], Record]
) -> None:
    world.says("health.json", record().text())
    assert loop(report(world)) is None


def test_a_loop_that_was_seen_by_a_watcher_that_is_gone_is_tried(world: World) -> None:
    world.says("health.json", watched(5, TURNS).text())
    assert loop(report(world)) is not None
    world.says("healthjob", "")
    assert loop(report(world)) is None
