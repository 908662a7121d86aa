"""Bridges that ended by themselves: told once, and those that were ended are not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from clawkeep.onhost import bridges, store, world
from clawkeep.onhost.health_doors import AGAIN_S, Doors
from tests.unit.onhost.conftest import POLICY

KILLED = "last terminating signal = Killed: 9"


class Launchd:
    """Says of every bridge the same: how often it was started, and how it last ended."""

    def __init__(self) -> None:
        self.runs, self.last, self.status = 1, "last exit code = (never exited)", 0

    def run(self, command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[:2] == ["/bin/launchctl", "print"]
        said = f"{command[2]} = {{\n\truns = {self.runs}\n\tpid = 12\n\t{self.last}\n}}\n"
        return subprocess.CompletedProcess(command, self.status, said, "")


@pytest.fixture
def launchd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Launchd:
    there = Launchd()
    monkeypatch.setattr(world, "run", there.run)
    monkeypatch.setattr(bridges, "STARTED", tmp_path / "started.json")
    started("one guest")
    return there


def started(text: str) -> None:
    store.write(bridges.STARTED, json.dumps({door.name: text for door in POLICY.doors}))


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (KILLED, "terminating signal = Killed: 9"),
        ("last terminating signal = Segmentation fault: 11", "Segmentation fault: 11"),
        ("last exit code = 1", "exit code = 1"),
        ("last terminating signal = Terminated: 15", ""),
        ("last exit code = 0", ""),
    ],
)
def test_one_that_was_not_ended_is_told_of(launchd: Launchd, last: str, told: str) -> None:
    doors = Doors()
    assert list(doors.look(POLICY, 0)) == []
    launchd.runs, launchd.last = 2, last
    assert list(doors.look(POLICY, 30)) == []
    said = list(doors.look(POLICY, 60))
    assert len(said) == (len(POLICY.doors) if told else 0)
    assert all(told in line for line in said)
    # Nothing new has happened, and what happened before the first look is not known.
    assert list(doors.look(POLICY, 90)) == []
    new = Doors()
    assert [list(new.look(POLICY, t)) for t in (90, 120)] == [[], []]


def test_one_that_the_guard_started_anew_is_not_told_of(launchd: Launchd) -> None:
    """It kills them; what they were started with is on record before the next look."""
    doors = Doors()
    list(doors.look(POLICY, 0))
    launchd.runs, launchd.last = 2, KILLED
    started("another guest")
    assert [list(doors.look(POLICY, t)) for t in (30, 60)] == [[], []]
    launchd.runs = 3
    list(doors.look(POLICY, 90))
    started("a third guest")
    assert [list(doors.look(POLICY, t)) for t in (120, 150)] == [[], []]


def test_a_guest_that_goes_and_comes_back_between_two_looks_is_no_end(launchd: Launchd) -> None:
    doors = Doors()
    list(doors.look(POLICY, 0))
    launchd.runs, launchd.last = 3, KILLED
    started("no guest")
    started("one guest")
    assert [list(doors.look(POLICY, t)) for t in (30, 60)] == [[], []]


def test_one_that_is_started_anew_for_its_log_is_not_told_of(launchd: Launchd) -> None:
    doors = Doors()
    list(doors.look(POLICY, 0))
    launchd.runs, launchd.last = 2, KILLED
    bridges.started_again()
    assert [list(doors.look(POLICY, t)) for t in (30, 60)] == [[], []]
    assert set(bridges.started().values()) == {"one guest"}


def test_one_that_dies_again_and_again_is_told_of_now_and_then(launchd: Launchd) -> None:
    doors, name = Doors(), POLICY.doors[0].name
    launchd.last = KILLED
    told = []
    for step in range(int(2 * AGAIN_S / 30)):
        told += [step for line in doors.look(POLICY, 30.0 * step) if line.startswith(f"{name} ")]
        launchd.runs += 1
    assert told == [2, 32]


def test_a_job_that_was_loaded_anew_begins_anew(launchd: Launchd) -> None:
    doors = Doors()
    launchd.runs = 5
    list(doors.look(POLICY, 0))
    launchd.status, launchd.last = 113, KILLED
    assert list(doors.look(POLICY, 30)) == []
    launchd.status, launchd.runs = 0, 6
    assert [list(doors.look(POLICY, t)) for t in (60, 90)] == [[], []]
