"""The journal of an update on the host: written by root's program, checked, and seen to be old."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from clawkeep.onhost import maintenance, store, update
from clawkeep.updates import journal

ENTRY = journal.Entry(journal.APPLYING, "vm-1", "me@here", 1.0, "update to jq 1.8.2", {"jq": "1"})


@pytest.fixture(autouse=True)
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(update, "FILE", tmp_path / "update.json")
    monkeypatch.setattr(maintenance, "FILE", tmp_path / "maintenance.json")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(store, "event", lambda kind, text, **_: found.append(f"{kind}: {text}"))
    return found


def test_it_is_written_read_and_taken_away(
    events: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert update.main(["journal"]) == 0
    assert capsys.readouterr().out == "\n"
    assert update.main(["note", ENTRY.text()]) == 0
    assert update.main(["journal"]) == 0
    assert journal.parse(capsys.readouterr().out) == ENTRY
    assert update.main(["clear", "done"]) == 0
    assert not update.FILE.exists()
    assert events == ["update: update to jq 1.8.2: applying", "update: done"]


@pytest.mark.parametrize("text", ["", "{}", "x" * 300_000, ENTRY.text()[:-1]])
def test_what_is_no_entry_is_not_written(
    text: str, events: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert update.main(["note", text]) == 1
    assert "clawkeep update note" in capsys.readouterr().err
    assert (update.FILE.exists(), events) == (False, [])


def test_a_damaged_journal_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    update.FILE.write_text("half a jour")
    assert update.main(["journal"]) == 1
    assert "damaged" in capsys.readouterr().err


def test_nobody_but_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    assert update.main(["clear", "x"]) == 77


@pytest.mark.parametrize(
    ("stage", "age_s", "held"),
    [
        (journal.APPLYING, 60, True),
        (journal.APPLYING, 1900, False),
        (journal.BY_HAND, 1900, True),
        (journal.BY_HAND, 8000, False),
        # A clock that ran back.
        (journal.APPLYING, -60, False),
    ],
)
def test_it_holds_repairs_up_for_a_time(stage: str, age_s: float, *, held: bool) -> None:
    assert update.under_way() == ""
    entry = journal.Entry(stage, "vm-1", "me", 1.0, "x")
    update.FILE.write_text(entry.text())
    then = time.time() - age_s
    os.utime(update.FILE, (then, then))
    assert bool(update.under_way()) is held


def test_it_says_when_the_former_guest_comes_back() -> None:
    assert not update.bringing_back()
    entry = journal.Entry(journal.ROLLING_BACK, "vm-1", "me", 1.0, "x")
    update.FILE.write_text(entry.text())
    assert update.bringing_back()
    os.utime(update.FILE, (1, 1))
    assert not update.bringing_back()


@pytest.mark.parametrize(
    ("stage", "age_s", "told"),
    [
        (journal.APPLYING, 5, ""),
        (journal.APPLYING, 90, "interrupted"),
        (journal.APPLIED, 90, "interrupted"),
        (journal.ROLLING_BACK, 9000, "interrupted"),
        (journal.BY_HAND, 9000, ""),
        (journal.BY_HAND, 90_000, "open"),
        (journal.APPLYING, -90, "interrupted"),
    ],
)
def test_one_that_was_left_behind_is_told(stage: str, age_s: float, told: str) -> None:
    assert update.problems() == ()
    entry = journal.Entry(stage, "vm-1", "me@here", 1.0, "update to jq 1.8.2")
    update.FILE.write_text(entry.text())
    then = time.time() - age_s
    os.utime(update.FILE, (then, then))
    # As long as its run has the turn, it is not left behind.
    with maintenance.doing("clawkeep update apply"):
        assert update.problems() == ()
    found = dict(update.problems())
    assert list(found) == ([told] if told else [])
    for text in found.values():
        assert "begun by me@here" in text
        verb = "finish" if stage == journal.BY_HAND else "resume"
        assert f"clawkeep update {verb} ends it; from before is vm-1" in text
    update.main(["clear", "done"])
    assert update.problems() == ()


def test_a_damaged_one_is_told() -> None:
    update.FILE.write_text("half a jour")
    ((key, text),) = update.problems()
    assert key == "damaged"
    assert "resume --forget" in text


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="needs root on Linux")
def test_on_a_full_disk_the_last_word_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True)
    try:
        monkeypatch.setattr(update, "FILE", place / "update.json")
        assert update.main(["note", ENTRY.text()]) == 0
        with contextlib.suppress(OSError), (place / "fill").open("wb", buffering=0) as fill:
            while True:
                fill.write(b"x" * 4096)
        longer = replace(ENTRY, stage=journal.ROLLING_BACK, why="y" * 5000)
        assert update.main(["note", longer.text()]) == 1
        assert "No space left" in capsys.readouterr().err
        assert update.main(["journal"]) == 0
        assert journal.parse(capsys.readouterr().out) == ENTRY
        # What is over is over, with or without room.
        assert update.main(["clear", "done"]) == 0
        assert not update.FILE.exists()
        (place / "fill").unlink()
        assert update.main(["note", longer.text()]) == 0
    finally:
        subprocess.run(["umount", place], check=True)
