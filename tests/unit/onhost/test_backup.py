"""The host's verb `backup` with a folder of its own: made, tested, and judged by what it left."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from clawkeep.backup.plan import Plan, Retention, Source, Target
from clawkeep.backup.restore import looked
from clawkeep.onhost import backup, backup_sides, backup_state, backup_work
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
    old = plan.stat().st_mtime - 40 * 86_400
    os.utime(plan, (old, old))
    assert [key for key, _ in backup_state.problems()] == ["late", "untested"]
    plan.write_text("{")
    assert [key for key, _ in backup_state.problems()] == ["damaged"]
