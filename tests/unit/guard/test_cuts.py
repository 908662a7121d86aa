"""A cut: in force before it is on record, whatever the disk says, and by no clock that is set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clawkeep.onhost import clock, enforce, paths, store, verdicts
from clawkeep.onhost.guard import GRACE_S, Guard
from clawkeep.onhost.situation import situation
from clawkeep.render import anchor as render
from tests.unit.guard.doing import LEAK
from tests.unit.guard.host import GUEST, Host

FULL = OSError(28, "No space left on device")
WRITE = store.write


class Disk:
    """A disk on which some files cannot be written while `full` names them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full: tuple[Path, ...] | None = ()
        monkeypatch.setattr(store, "write", self.write)

    def write(self, path: Path, *rest: Any) -> None:
        if self.full is None or path in self.full:
            raise FULL
        WRITE(path, *rest)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def leak(opened: Host, guard: Guard) -> None:
    opened.clock.now += 30
    opened.canary("red", leaks=LEAK)
    opened.pass_time(guard, 1)


def test_a_cut_is_in_force_before_it_is_written(
    opened: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = opened.guard()
    found: list[str] = []

    def write(path: Path, *rest: Any) -> None:
        if path == paths.CUT:
            found.append(opened.doors)
        WRITE(path, *rest)

    monkeypatch.setattr(store, "write", write)
    leak(opened, guard)
    assert found == [render.kill_switch()]
    assert json.loads(paths.CUT.read_text())["latched"] is True


def test_a_cut_that_cannot_be_written_holds_until_it_can(opened: Host, disk: Disk) -> None:
    guard = opened.guard()
    disk.full = (paths.CUT,)
    leak(opened, guard)
    assert not paths.CUT.exists()
    opened.clock.now += 30
    opened.canary("green")
    opened.pass_time(guard, 70)
    assert (guard.record.state, opened.doors) == ("cut", render.kill_switch())
    assert opened.events("failed") == [f"a cut that holds could not be written: {FULL}"]
    disk.full = ()
    opened.pass_time(guard, 3)
    assert json.loads(paths.CUT.read_text())["why"].startswith(LEAK[0])
    # On record it ends as any other.
    paths.CUT.unlink()
    opened.pass_time(guard, 2)
    assert guard.record.state == "open"


def test_a_cut_on_a_full_disk_opens_nothing_then_or_later(opened: Host, disk: Disk) -> None:
    guard = opened.guard()
    disk.full = None
    leak(opened, guard)
    assert opened.doors in {render.kill_switch(), render.deny_all()}
    assert opened.pf.killed[:2] == [GUEST, f"0.0.0.0/0 {GUEST}"]
    opened.pass_time(guard, 5)
    disk.full = ()
    opened.pass_time(guard, 3)
    assert (guard.record.state, opened.doors) == ("cut", render.kill_switch())
    assert json.loads(paths.CUT.read_text())["latched"] is True


def test_a_cut_that_cannot_be_read_stands(opened: Host) -> None:
    guard = opened.guard()
    paths.CUT.mkdir()
    opened.pass_time(guard, 2)
    assert guard.record.state == "cut"
    assert "cannot be read" in guard.record.why


@pytest.mark.parametrize("text", ['{"state": 1}', '{"link_since": "now"}', '{"doors": 5}', "[]"])
def test_a_record_of_another_form_is_none(opened: Host, text: str) -> None:
    opened.guard()
    paths.ENFORCED.write_text(text)
    guard = opened.guard()
    assert guard.record.state == "open"


def test_no_escape_sequence_of_a_file_reaches_the_terminal(
    opened: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    why = "\x1b[2J\u202eall is well"
    cut = {"cause": "leak", "why": why, "since": 1.0, "latched": True}
    paths.CUT.write_text(json.dumps(cut))
    assert enforce.main([]) == 1
    assert capsys.readouterr().err == (
        f"clawkeep enforce: cut for {GUEST} on bridge100: ?[2J?all is well\n"
    )


# --- the clock


def test_a_clock_set_back_hides_no_mute_canary(opened: Host) -> None:
    guard = opened.guard()
    opened.pass_time(guard, 60, step=5)
    opened.clock.set_by = -3600
    opened.pass_time(guard, verdicts.BOOT_S + 5, step=5)
    assert guard.record.state == "cut"
    assert "the canary has said nothing for" in guard.record.why


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_set_makes_a_good_canary_no_mute_one(opened: Host, seconds: float) -> None:
    guard = opened.guard()
    for turn in range(20):
        opened.clock.set_by = seconds if turn == 5 else 0
        opened.clock.now += 30
        opened.canary("green")
        opened.pass_time(guard, 1)
    assert guard.record.state == "open"


@pytest.mark.parametrize("seconds", [0, -3600])
def test_a_clock_set_back_gives_a_guest_that_is_cut_off_no_more_time(
    opened: Host, seconds: float
) -> None:
    guard = opened.guard()
    leak(opened, guard)
    opened.clock.set_by = seconds
    opened.pass_time(guard, GRACE_S - 5)
    assert opened.signals == []
    opened.pass_time(guard, 7)
    assert opened.signals == ["gui/501/com.nanoclaw.vm"]


def test_a_result_from_the_future_is_none(opened: Host) -> None:
    guard = opened.guard()
    opened.clock.now += 30
    opened.canary("green")
    values = json.loads(paths.CANARY.read_text())
    paths.CANARY.write_text(json.dumps(values | {"t": clock.now() + 86_400}))
    opened.pass_time(guard, verdicts.BOOT_S + 62)
    assert guard.record.state == "cut"


def test_a_window_that_nobody_can_have_opened_is_none(opened: Host) -> None:
    now = clock.now()
    whole = {"format": 1, "domains": ["a.example"], "since": now, "until": now + 3600, "who": "me"}
    paths.WINDOW.write_text(json.dumps(whole))
    assert situation().openings.window == ("a.example",)
    for spoilt in (
        {"until": now + 7200},
        {"until": float("inf")},
        {"until": float("nan")},
        {"since": float("nan")},
        {"since": now + 600, "until": now + 1200},
        {"since": 0.0},
    ):
        paths.WINDOW.write_text(json.dumps(whole | spoilt))
        assert situation().openings.window == (), spoilt
        assert situation().damage
