"""Whoever stops the guest on purpose says so, and only as long as it is true."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from clawkeep.onhost import maintenance


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "maintenance.json"
    monkeypatch.setattr(maintenance, "FILE", file)
    return file


def test_it_is_said_as_long_as_it_is_done() -> None:
    assert maintenance.current() is None
    with maintenance.doing("a snapshot"):
        said = maintenance.current()
        assert said is not None
        assert said.reason == "a snapshot"
    assert maintenance.current() is None


def test_it_is_over_also_when_the_work_fails() -> None:
    with pytest.raises(ZeroDivisionError), maintenance.doing("a snapshot"):
        raise ZeroDivisionError
    assert maintenance.current() is None


def test_it_ends_at_its_time() -> None:
    with maintenance.doing("a snapshot", at_most_s=0):
        assert maintenance.current() is None


def test_it_ends_with_the_process_that_said_it(file: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with maintenance.doing("a snapshot"):
        data = json.loads(file.read_text())
        file.write_text(json.dumps({**data, "pid": gone.pid}))
        assert maintenance.current() is None
        file.write_text(json.dumps(data))
        assert maintenance.current() is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "null"])
def test_what_cannot_be_read_holds_nothing_up(file: Path, text: str) -> None:
    file.write_text(text)
    assert maintenance.current() is None
