"""The window closes, whatever goes wrong while it is closed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from clawkeep.onhost import clock, enforce, evidence, paths, proxy, store, window
from clawkeep.onhost.situation import Record, situation
from clawkeep.policy import PolicyError, Window
from tests.unit.guard.host import Host


@pytest.fixture
def held(opened: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with a window on record and in force, and a clock that waits for nobody."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(window, "time", opened.clock)
    monkeypatch.setattr(window, "CLOSE_LOCK_S", 0.1)
    monkeypatch.setattr(evidence, "CANARY_JOB", opened.folder / "none")
    now = clock.now()
    paths.WINDOW.write_text(Window(("a.example",), now + 900, now, "me (pid 1)").text())
    opened.guard()
    assert "clawkeep-proxy" in opened.doors
    return opened


ERRORS = [
    OSError(28, "No space left on device"),
    subprocess.TimeoutExpired("launchctl", 20),
    RuntimeError("squid refuses its configuration"),
    PolicyError("policy: no JSON"),
    ValueError("whatever"),
    KeyError("bridge"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_goes_wrong_it_is_off_the_record_and_the_guard_closes_it(
    held: Host, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    made = held.guard()
    bring = enforce.bring

    def broken(_: Any) -> Record:
        raise error

    monkeypatch.setattr(enforce, "bring", broken)
    closed = window._until_done(lambda: window._close(lambda _: True, "the run is over"))
    assert closed is False
    assert not paths.WINDOW.exists()
    assert len(held.events("window-closed")) == 1
    assert any("could not be closed" in text for text in held.events("failed"))
    monkeypatch.setattr(enforce, "bring", bring)
    held.pass_time(made, 2)
    assert "clawkeep-proxy" not in held.doors


def test_one_hiccup_is_not_the_end(held: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    bring: Callable[..., Record] = enforce.bring
    left = [ERRORS[1], ERRORS[5]]

    def hiccup(now: Any) -> Record:
        if left:
            raise left.pop()
        return bring(now)

    monkeypatch.setattr(enforce, "bring", hiccup)
    assert window._until_done(lambda: window._close(lambda _: True, "the run is over"))
    assert "clawkeep-proxy" not in held.doors


def test_a_lock_that_nobody_gives_back_keeps_it_open_no_longer(
    held: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = held.guard()
    with store.locked():
        assert window.main(["close"]) == 1
        assert not paths.WINDOW.exists()
    assert "has been held for" in capsys.readouterr().err
    held.pass_time(made, 2)
    assert "clawkeep-proxy" not in held.doors


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b'{"format": 1, "until": "x"}', b"[]"])
def test_a_damaged_record_is_open_to_nobody_and_can_be_closed(
    held: Host, text: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    made = held.guard()
    paths.WINDOW.write_bytes(text)
    held.pass_time(made, 2)
    assert "clawkeep-proxy" not in held.doors
    assert window.main(["show"]) == 0
    assert window.main(["close"]) == 0
    assert capsys.readouterr().out == "closed\nit was not open\n"
    assert not paths.WINDOW.exists()


def test_somebody_elses_window_stays(held: Host) -> None:
    assert window._close(lambda there: there.who == "another", "the run is over")
    assert paths.WINDOW.exists()
    assert situation().openings.window == ("a.example",)


def test_it_ends_at_its_time_though_nobody_is_left_to_close_it(held: Host) -> None:
    made = held.guard()
    held.pass_time(made, 890, step=10)
    assert "clawkeep-proxy" in held.doors
    held.pass_time(made, 12)
    assert "clawkeep-proxy" not in held.doors


def test_what_is_shown_of_it_is_visible(held: Host, capsys: pytest.CaptureFixture[str]) -> None:
    now = clock.now()
    paths.WINDOW.write_text(Window(("a.example",), now + 900, now, "me\x1b[2J").text())
    assert window.main(["show"]) == 0
    assert ", by me?[2J: a.example" in capsys.readouterr().out


def test_a_closer_that_dies_leaves_the_work_to_the_holder(
    held: Host, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The second process is killed at once; standard input has ended already."""
    paths.WINDOW.unlink()
    null = os.open(os.devnull, os.O_RDONLY)
    stdin = os.dup(0)
    os.dup2(null, 0)

    def dies(_watched: int, _window: Window) -> None:
        os._exit(9)

    monkeypatch.setattr(window, "_close_when_over", dies)
    monkeypatch.setattr(proxy, "listening", lambda _: True)
    try:
        assert window.main(["hold", "--domains", "a.example"]) == 0
    finally:
        os.dup2(stdin, 0)
    assert "open 192.168.64.1:3128" in capfd.readouterr().out
    assert not paths.WINDOW.exists()
    assert "clawkeep-proxy" not in held.doors
