"""`clawkeep backup` as it is typed: what it hands to the host, and what it does here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clawkeep import cli
from clawkeep.cli import backup as verb
from tests.unit.backup import world

KEY = "key"


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    found: list[list[str]] = []

    def pass_on(words: list[str], timeout_s: float) -> int:
        found.append(words)
        return 1

    monkeypatch.setattr(verb, "pass_on", pass_on)
    return found


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["create"], ["backup", "create"]),
        (["check", "--set-aside", "--json"], ["backup", "check", "--set-aside", "--json"]),
        (["restore"], ["backup", "restore", "latest"]),
        (["restore", "x", "--into=/b"], ["backup", "restore", "x", "--into=/b"]),
        (["restore", "x", "--to-guest"], ["backup", "restore", "x", "--to-guest"]),
        (["prune", "--dry-run"], ["backup", "prune", "--dry-run"]),
        (["image", "/f"], ["backup", "image", "/f"]),
        (["status", "--json"], ["backup", "status", "--json"]),
    ],
)
def test_the_host_does_it(handed: list[list[str]], typed: list[str], words: list[str]) -> None:
    assert cli.main(["backup", *typed]) == 1
    assert handed == [words]


def test_a_key_is_made_once_and_is_nowhere_but_in_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / KEY
    assert cli.main(["backup", "key", "new", str(path)]) == 0
    key = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    said = capsys.readouterr()
    assert key not in said.out + said.err
    assert cli.main(["backup", "key", "new", str(path)]) == 2
    assert path.read_text().strip() == key


@pytest.fixture
def here(tmp_path: Path) -> list[str]:
    """Return the options for a repository with one backup, on this machine."""
    world.backed_up(world.repository(tmp_path / "r"), world.tree(tmp_path / "state"))
    (tmp_path / KEY).write_text(f"{world.KEY}\n")
    (tmp_path / KEY).chmod(0o600)
    return [f"--repository={tmp_path / 'r'}", f"--key-file={tmp_path / KEY}"]


def test_without_the_host(
    here: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], handed: list[list[str]]
) -> None:
    assert cli.main(["backup", "list", *here]) == 0
    assert cli.main(["backup", "check", *here]) == 0
    capsys.readouterr()
    assert cli.main(["backup", "restore", "--json", *here, f"--into={tmp_path / 'back'}"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["differences"], found["databases"], found["rows"]) == ([], 1, 300)
    assert (tmp_path / "back/agent/groups/main/CLAUDE.md").read_text() == "memory\n"
    assert cli.main(["backup", "key", "check", str(tmp_path / KEY), here[0]]) == 0
    assert handed == []


def test_damage_is_exit_status_1_and_a_wrong_key_2(
    here: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    max(world.objects(tmp_path / "r/chunks"), key=lambda p: p.stat().st_size).unlink()
    assert cli.main(["backup", "check", *here]) == 1
    assert "agent:big" in capsys.readouterr().out
    assert cli.main(["backup", "restore", *here]) == 2
    assert "agent:big" in capsys.readouterr().err
    (tmp_path / KEY).write_text("another passphrase, long enough\n")
    assert cli.main(["backup", "list", *here]) == 2
    assert "another one" in capsys.readouterr().err


def test_a_key_file_that_others_may_read_is_refused(
    here: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / KEY).chmod(0o640)
    assert cli.main(["backup", "list", *here]) == 2
    assert "chmod 600" in capsys.readouterr().err
