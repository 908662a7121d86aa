"""The watcher's record as the operator sees it: from the host in one trip, never believed old."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from clawkeep.health.finding import Finding
from clawkeep.health.ladder import Ladder
from clawkeep.health.report import Report
from clawkeep.status.health import gather
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
