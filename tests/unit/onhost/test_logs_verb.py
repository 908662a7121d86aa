"""`clawkeep logs` on the host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clawkeep.onhost import logs
from tests.unit.onhost.log_host import Here, log_host


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    here = log_host(tmp_path, monkeypatch)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(logs, "FOLDER", here.folder / "store")
    monkeypatch.setattr(logs, "LOCK", here.folder / "lock")
    monkeypatch.setattr(logs, "pull", here.pull)
    return here


def show(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[list[str], str]:
    assert logs.main(["show", *words]) == 0
    *rows, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [row["text"] for row in rows], last["cursor"]


def test_an_answer_goes_on_where_the_last_one_ended(
    shown: Here, capsys: pytest.CaptureFixture[str]
) -> None:
    shown.add("canary.log", "one\n")
    found, cursor = show(capsys)
    assert found == ["one"]
    assert show(capsys, "--cursor", cursor)[0] == []
    shown.moment += 86400
    shown.add("canary.log", "two\n")
    (shown.folder / "canary.log").rename(shown.folder / "canary.log.1")
    shown.add("canary.log", "three\n")
    assert show(capsys, "--cursor", cursor)[0] == ["two", "three"]
    assert show(capsys, "--limit", "1", "--ago", "1e9")[0] == ["three"]
    assert show(capsys, "--source", "guard", "--ago", "1e9")[0] == []
    assert logs.main(["show", "--cursor", "x"]) == 64
