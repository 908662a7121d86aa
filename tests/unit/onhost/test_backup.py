"""The host's verb `backup` with a folder of its own: made, tested, and judged by what it left."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from clawkeep.backup.plan import Plan, Retention, Source, Target
from clawkeep.backup.restore import looked
from clawkeep.backup.state import State, parse
from clawkeep.onhost import backup, backup_sides, backup_state, backup_work, maintenance
from tests.unit.backup.world import KEY, objects, tree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the verb is root's")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with a declared backup of one folder."""
    tree(tmp_path / "state")
    for module in (backup, backup_work):
        monkeypatch.setattr(module, "STATE", tmp_path / "backup.json")
    monkeypatch.setattr(backup, "PLAN", tmp_path / "plan.json")
    monkeypatch.setattr(backup_work, "KEY", tmp_path / "key")
    for module in (backup_work, backup_sides):
        monkeypatch.setattr(module, "SCRATCH", tmp_path / "scratch")
    for name in ("TURN", "GUEST", "FILE"):
        monkeypatch.setattr(maintenance, name, tmp_path / f"run-{name}")
    # What nobody is asked for lies where nobody may go, here.
    monkeypatch.setattr(backup_sides, "looked_by_nobody", looked)
    # The verb takes SIGTERM for itself, which is the test run's.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    (tmp_path / "key").write_text(f"{KEY}\n")
    source = Source("state", "host", str(tmp_path / "state"))
    target = Target(str(tmp_path / "disk/repository"))
    (tmp_path / "disk").mkdir()
    keep = Retention(last=1, daily=0, weekly=0, monthly=0)
    (tmp_path / "plan.json").write_text(Plan(target, (source,), "claw", keep).text())
    return tmp_path


def data(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_scheduled_one_is_made_tested_and_forgets(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backup.main(["status"]) == 2
    assert backup.main(["create"]) == 0
    assert backup.main(["create"]) == 0
    capsys.readouterr()
    assert backup.main(["create", "--scheduled", "--json"]) == 0
    said = data(capsys)
    assert len(said["forgotten"]) == 2  # type: ignore[arg-type]
    assert said["test"]["differences"] == []  # type: ignore[index]
    assert backup.main(["status"]) == 0
    assert list((host / "scratch").iterdir()) == []


def test_launchds_ticks_make_one_a_day(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Noon is no hour that a change of clocks moves over 03:15.
    noon = time.mktime((2026, 11, 20, 12, 0, 0, 0, 0, -1))
    now = [noon]
    monkeypatch.setattr("clawkeep.onhost.clock.wall", lambda: now[0])
    monkeypatch.setattr("clawkeep.onhost.backup_work.time.time", lambda: now[0])

    def ticks(hours: float) -> str:
        now[0] = noon + hours * 3600
        assert backup.main(["tick"]) in {0, 2}
        return parse((host / "backup.json").read_text()).slot

    # Declared at noon: the first is for a time that still comes.
    assert [ticks(0), ticks(1), ticks(15)] == ["", "", ""]
    assert [ticks(15.3), ticks(20), ticks(39)] == ["2026-11-21"] * 3
    # A place that is not there is asked again after an hour, and the day is not lost.
    (host / "disk").rename(host / "away")
    (host / "disk").mkdir()
    assert ticks(39.5) == "2026-11-21"
    failed = parse((host / "backup.json").read_text()).created
    (host / "disk").rmdir()
    (host / "away").rename(host / "disk")
    assert ticks(39.9) == "2026-11-21"
    assert parse((host / "backup.json").read_text()).created == failed
    assert ticks(40.6) == "2026-11-22"
    # Off for three days: one is made, not three.
    assert ticks(110) == "2026-11-24"
    made = parse((host / "backup.json").read_text()).created
    assert ticks(111) == "2026-11-24"
    assert parse((host / "backup.json").read_text()).created == made


def test_a_tick_that_finds_others_at_work_comes_again(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (host / "backup.json").write_text(State(since=1.0).text())
    with maintenance.turn("a converge", wait_s=0):
        assert backup.main(["tick"]) == 0
        assert backup.main(["create", "--wait", "0"]) == 75
        assert "a converge (pid " in capsys.readouterr().err
        state = parse((host / "backup.json").read_text())
        assert (state.created, state.slot) == (None, "")
    assert backup.main(["tick"]) == 0
    assert parse((host / "backup.json").read_text()).slot


def test_a_problem_in_what_was_backed_up_is_exit_status_1(host: Path) -> None:
    (host / "state/store/messages.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 9000)
    assert backup.main(["create"]) == 1
    assert backup.main(["status"]) == 1


def test_damage_found_while_forgetting_is_on_record(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backup.main(["create", "--scheduled"]) == 0
    (manifest,) = [p for p in objects(host / "disk") if p.parent.name == "manifests"]
    manifest.write_bytes(manifest.read_bytes()[:-1])
    plan = (host / "plan.json").read_text()
    (host / "plan.json").write_text(plan.replace('"last": 1', '"last": 9'))
    assert backup.main(["create", "--scheduled"]) == 1
    assert backup.main(["status"]) == 1
    assert "CHECKED" in capsys.readouterr().out


def test_a_repository_that_is_gone_is_not_begun_again(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backup.main(["create"]) == 0
    (host / "disk").rename(host / "away")
    (host / "disk").mkdir()
    assert backup.main(["create"]) == 2
    assert "is the disk mounted?" in capsys.readouterr().err
    assert list((host / "disk").iterdir()) == []


def test_nothing_declared_is_said(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (host / "plan.json").unlink()
    assert backup.main(["status"]) == 2
    assert "no backup is declared" in capsys.readouterr().err


def test_what_somebody_is_told_of_backups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, state = tmp_path / "plan.json", tmp_path / "state.json"
    monkeypatch.setattr(backup_state, "PLAN", plan)
    monkeypatch.setattr(backup_state, "STATE", state)
    assert backup_state.problems() == ()  # None declared, none missed.
    plan.write_text(Plan(Target("/backups"), (), "claw", Retention()).text())
    assert backup_state.problems() == ()
    # However old the file says it is: a converge lays it down so.
    os.utime(plan, (0, 0))
    assert backup_state.problems() == ()
    state.write_text(State(since=time.time() - 40 * 86_400).text())
    assert [key for key, _ in backup_state.problems()] == ["late", "untested"]
    plan.write_text("{")
    assert [key for key, _ in backup_state.problems()] == ["damaged"]
