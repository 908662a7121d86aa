"""Time as grants see it: set the clock as you like, it only goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from clawkeep.onhost import clock
from tests.recording import Faults

Set = Callable[..., None]


@pytest.fixture
def set_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets the wall clock and the ticks of a host of which nothing is known yet."""
    monkeypatch.setattr(clock, "BASE", tmp_path / "run" / "clock.json")
    monkeypatch.setattr(clock, "LATEST", tmp_path / "var" / "clock.json")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def set_both(wall: float, ticks: float) -> None:
        monkeypatch.setattr("time.time", lambda: wall)
        monkeypatch.setattr(clock, "_ticks", lambda: ticks)

    return set_both


def reboot() -> None:
    clock.BASE.unlink()


def test_a_sound_clock_is_believed(set_clock: Set) -> None:
    set_clock(1000, 5)
    assert clock.now() == 1000
    set_clock(1030, 35)
    assert clock.now() == 1030


def test_a_clock_set_back_goes_on_all_the_same(set_clock: Set) -> None:
    set_clock(1000, 5)
    clock.now()
    set_clock(10, 65)
    assert clock.now() == 1060


def test_a_clock_that_is_wrong_after_a_reboot_goes_on_from_the_latest_known(set_clock: Set) -> None:
    set_clock(1000, 5)
    clock.now()
    reboot()
    set_clock(10, 1)
    assert clock.now() == 1000
    set_clock(100, 91)
    assert clock.now() == 1090


def test_a_clock_that_jumped_ahead_and_back_does_not_stand_still(
    set_clock: Set, faults: Faults
) -> None:
    set_clock(1000, 5)
    clock.now()
    set_clock(900_000, 6)
    assert clock.now() == 900_000
    set_clock(1010, 15)
    assert clock.now() == 900_009
    set_clock(1110, 115)
    assert clock.now() == 900_109
    says = "our time never goes back, and never stands still"
    faults.show("clock", "it jumps ten days ahead, and back", says)


def test_a_clock_set_ahead_for_a_moment_takes_nothing_back(set_clock: Set) -> None:
    set_clock(1000, 5)
    clock.now()
    set_clock(1050, 15)  # By less than what is saved for a reboot.
    assert clock.now() == 1050
    set_clock(1020, 25)
    assert clock.now() == 1060


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"t": "x"}', '{"t": NaN}', '{"t": true}'])
def test_a_damaged_record_is_none(set_clock: Set, text: str) -> None:
    for path in (clock.BASE, clock.LATEST):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    set_clock(1000, 5)
    assert clock.now() == 1000


def test_whoever_is_not_root_only_reads(set_clock: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    set_clock(1000, 5)
    assert clock.now() == 1000
    assert not clock.BASE.exists()
    assert not clock.LATEST.exists()
