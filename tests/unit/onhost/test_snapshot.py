"""The host's side of snapshots: what tart and launchd answer, what guests say, what is alerted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from clawkeep.backup.state import DAY_S, Did
from clawkeep.onhost import (
    clock,
    snapshot_guest,
    snapshot_mac,
    snapshot_state,
    world,
)
from clawkeep.onhost.snapshot_mac import HostMac
from clawkeep.onhost.snapshot_shelf import Shelf
from clawkeep.snapshots import judge
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.plan import Plan
from clawkeep.snapshots.records import CREATE, Facts, State, Task
from tests.unit.onhost.conftest import POLICY

JOB = "gui/501/com.nanoclaw.vm"


@dataclass
class Programs:
    """launchctl and tart: a job that drains as long as it is looked at so often."""

    loaded: bool = True
    draining: int = 0
    listing: str = "[]"
    status: int = 0
    calls: list[list[str]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        words = list(command)[1:]
        self.calls.append(words)
        match words:
            case ["print", _]:
                if self.draining:
                    self.draining -= 1
                    self.loaded = self.draining > 0
                return self._done(0 if self.loaded else 113)
            case ["bootout", _]:
                self.draining = 3 if self.loaded else 0
                return self._done(0)
            case ["bootstrap", _, _]:
                status = 5 if self.loaded else 0
                self.loaded = True
                return self._done(status)
            case ["enable", _]:
                return self._done(0)
        self.options = options
        return self._done(self.status, self.listing)

    @staticmethod
    def _done(status: int, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], status, text, "tart: no")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Programs:
    found = Programs()
    monkeypatch.setattr(world, "run", found.run)
    monkeypatch.setattr("clawkeep.onhost.snapshot_jobs.time.sleep", lambda _: None)
    monkeypatch.setattr(snapshot_mac, "STOPPING", tmp_path / "stopping")
    monkeypatch.setattr("clawkeep.onhost.snapshot_jobs.Path.exists", lambda path: True)
    return found


@pytest.fixture
def mac(programs: Programs, tmp_path: Path) -> HostMac:
    return HostMac(POLICY, 1)


def test_a_list_that_failed_is_not_an_empty_one(programs: Programs, mac: HostMac) -> None:
    programs.status = 1
    with pytest.raises(SnapshotError, match=r"tart list .*: tart: no"):
        mac.vms()
    programs.status, programs.listing = 0, ""
    with pytest.raises(SnapshotError, match="expected JSON"):
        mac.vms()


def test_a_clone_replaces_nothing_and_costs_no_cached_image(
    programs: Programs, mac: HostMac
) -> None:
    programs.listing = json.dumps([{"Source": "local", "Name": "x", "State": "stopped"}])
    with pytest.raises(SnapshotError, match="x is there already"):
        mac.clone("keep", "x")
    assert all("clone" not in call for call in programs.calls)
    mac.clone("keep", "y")
    assert programs.calls[-1] == ["clone", "keep", "y"]
    assert programs.options["env"]["TART_NO_AUTO_PRUNE"]
    assert programs.options["env"]["HOME"] == POLICY.owner_home
    # What is killed over a clone leaves the lock with the clone.
    assert programs.options["pass_fds"] == (1,)


def test_a_job_that_drains_is_waited_for_before_it_is_loaded_again(
    programs: Programs, mac: HostMac, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mac.stop()
    assert not programs.loaded
    mac.start()
    assert programs.loaded
    # Killed right after `bootout`: to another process the job still looks loaded.
    monkeypatch.undo()
    monkeypatch.setattr(world, "run", programs.run)
    monkeypatch.setattr("clawkeep.onhost.snapshot_jobs.time.sleep", lambda _: None)
    monkeypatch.setattr(snapshot_mac, "STOPPING", tmp_path / "left")
    (tmp_path / "left").touch()
    home = tmp_path / "home"
    plist = home / "Library/LaunchAgents/com.nanoclaw.vm.plist"
    plist.parent.mkdir(parents=True)
    plist.touch()
    programs.draining, programs.calls = 5, []
    HostMac(replace(POLICY, owner_home=str(home)), 1).start()
    assert programs.loaded
    assert programs.draining == 0
    assert programs.calls[-1] == ["bootstrap", "gui/501", str(plist)]
    assert not (tmp_path / "left").exists()


WANTED = Facts("15.7", "r1", "", {"store/messages.db": 6})
WHOLE = {"rows": 7, "check": "ok"}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ({"macos": "15.7", "release": "r1", "databases": {"store/messages.db": WHOLE}}, ""),
        ({"macos": "15.7", "release": "r1"}, "store/messages.db is not there"),
        (
            {
                "macos": "15.7",
                "release": "r1",
                "databases": {"store/messages.db": {"rows": 0, "check": "ok"}},
            },
            "is empty, and had 6 rows",
        ),
        (
            {
                "macos": "15.7",
                "release": "r1",
                "databases": {"store/messages.db": {"rows": 6, "check": "row 3 missing"}},
            },
            "row 3 missing",
        ),
        (
            {"macos": "15.7", "release": "r2", "databases": {"store/messages.db": WHOLE}},
            "NanoClaw's release is r2, and was r1",
        ),
        ({"databases": {"store/messages.db": WHOLE}, "release": "r1"}, "which macOS"),
        ({"macos": ["x"], "databases": [1], "release": {}}, "is not there"),
        ({"macos": "15.7", "databases": {"\x1b[31m": 7, "b": {"rows": True}}}, "not checked"),
    ],
)
def test_what_a_booted_one_says_is_compared(answer: dict[str, Any], wrong: str) -> None:
    tried = snapshot_guest.judged(answer, WANTED)
    assert tried.ok == (not wrong)
    assert wrong in tried.text
    assert "\x1b" not in tried.text


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shelf:
    monkeypatch.setattr(snapshot_state, "FOLDER", tmp_path)
    monkeypatch.setattr(snapshot_state, "PLAN", tmp_path / "snapshots.json")
    monkeypatch.setattr(clock, "wall", lambda: 100.0 * DAY_S)
    (tmp_path / "snapshots.json").write_text(Plan(at="04:30").text())
    return Shelf(tmp_path)


def kinds() -> list[str]:
    return [key for key, _ in snapshot_state.problems()]


def test_what_somebody_should_know(watched: Shelf, tmp_path: Path) -> None:
    assert kinds() == []
    now = 100.0 * DAY_S
    well = Did(now - DAY_S, ok=True, text="daily", name="a")
    state = State(since=now - 30 * DAY_S, created=well, good=well, verified=well)
    watched.note(state)
    assert kinds() == []
    assert judge.judged(state, Plan(at="04:30"), now)[0] == 0
    old = Did(now - 9 * DAY_S, ok=True, text="daily", name="a")
    bad = Did(now, ok=False, text="no room")
    watched.note(State(since=state.since, created=bad, good=old, verified=old))
    assert kinds() == ["failed", "late", "unverified"]
    watched.note(State(since=now - DAY_S, created=well, good=well, verified=bad))
    assert kinds() == ["no-good"]
    # By a clock that was ahead.
    ahead = Did(now + DAY_S, ok=True, text="daily")
    watched.note(State(since=state.since, created=ahead, good=ahead, verified=well))
    assert kinds() == ["late"]
    watched.note(state)
    watched.begin(Task(CREATE, "a", "keep", now - DAY_S, up=True))
    assert kinds() == ["stuck"]
    (tmp_path / "snapshots.json").write_text("{")
    assert kinds() == ["damaged"]


def test_none_declared_none_missed(watched: Shelf, tmp_path: Path) -> None:
    (tmp_path / "snapshots.json").unlink()
    old = Did(1.0, ok=True, text="by hand")
    watched.note(State(created=old, good=old, verified=old))
    assert kinds() == []
