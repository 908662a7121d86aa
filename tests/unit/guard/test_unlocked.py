"""Somebody holds the host's lock and does not let go: the guard looks all the same, and closes."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clawkeep.onhost import clock, guard, paths, pfctl, store
from clawkeep.onhost.running import FAILED_S
from clawkeep.policy import Door, Window, grants_text
from clawkeep.render import anchor as render
from tests.unit.guard.doing import LEAK, ask, no_main, off, other_everything
from tests.unit.guard.host import GUEST, Host


@pytest.fixture
def held(opened: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host whose lock somebody else will hold once `hold` is called."""
    monkeypatch.setattr(guard, "LOCK_S", 0.2)
    monkeypatch.setattr(guard, "LOCK_AGAIN_S", 0.01)
    yield opened
    release()


_handles: list[int] = []


def hold() -> None:
    handle = os.open(paths.LOCK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.ftruncate(handle, 0)
    os.pwrite(handle, b"clawkeep allow\x1b[2J (pid 4711)\n", 0)
    _handles.append(handle)


def release() -> None:
    while _handles:
        os.close(_handles.pop())


def test_what_is_right_stays_and_the_holder_is_named(held: Host) -> None:
    made = held.guard()
    right = held.doors
    hold()
    began = time.monotonic()
    held.pass_time(made, 40)
    assert time.monotonic() - began < 20
    assert (held.doors, made.record.state, held.signals) == (right, "open", [])
    [said] = held.events("busy")
    assert said.endswith("by clawkeep allow?[2J (pid 4711)")
    release()
    held.pass_time(made, 3)
    assert (made.record.state, made.busy) == ("open", "")


@pytest.mark.parametrize("fault", [off, no_main, other_everything])
def test_what_is_lost_meanwhile_is_closed_without_the_lock(held: Host, fault: object) -> None:
    made = held.guard()
    right = held.doors
    hold()
    fault(held)  # type: ignore[operator]
    held.pass_time(made, 2)
    assert (held.doors, held.pf.anchors[render.WALL]) == (render.deny_all(), render.wall())
    assert held.pf.enabled
    assert held.pf.main
    assert f"0.0.0.0/0 {GUEST}" in held.pf.killed
    assert made.record.state == "failed"
    held.pass_time(made, FAILED_S + 3)
    assert held.signals == ["gui/501/com.nanoclaw.vm"]
    release()
    held.pass_time(made, 3)
    assert (held.doors, made.record.state) == (right, "open")


def test_what_ends_by_itself_ends_without_the_lock(held: Host) -> None:
    grant = Door("extra", 20001, "10.0.30.9", 80, until=held.clock.now + 20, reason="a look")
    paths.GRANTS.write_text(grants_text([grant]))
    made = held.guard()
    assert "svc-extra" in held.doors
    hold()
    held.pass_time(made, 15)
    assert "svc-extra" in held.doors
    held.pass_time(made, 8)
    assert held.doors == render.deny_all()


def test_a_window_ends_although_whoever_opened_it_hangs(held: Host) -> None:
    now = clock.now()
    paths.WINDOW.write_text(Window(("a.example",), now + 20, now, "me").text())
    made = held.guard()
    assert "clawkeep-proxy" in held.doors
    hold()
    held.pass_time(made, 25)
    assert "clawkeep-proxy" not in held.doors


def test_a_leak_is_closed_and_on_record_without_the_lock(held: Host) -> None:
    made = held.guard()
    hold()
    held.clock.now += 30
    held.canary("red", leaks=LEAK)
    held.pass_time(made, 1)
    assert held.doors == render.deny_all()
    assert LEAK[0] in paths.CUT.read_text()
    release()
    held.pass_time(made, 3)
    assert (made.record.state, held.doors) == ("cut", render.kill_switch())


def test_a_guest_that_moved_finds_no_door_of_its_last_place(held: Host) -> None:
    made = held.guard()
    hold()
    held.bridge = ("bridge101", "192.168.65.1", "0xffffff00")
    held.pass_time(made, 2)
    assert held.doors == render.deny_all()


def test_whoever_is_about_to_open_something_is_not_in_the_wrong(held: Host) -> None:
    made = held.guard()
    right = held.doors
    hold()
    grant = Door("extra", 20001, "10.0.30.9", 80, until=held.clock.now + 99, reason="a look")
    paths.GRANTS.write_text(grants_text([grant]))
    held.pass_time(made, 3)
    assert (held.doors, made.record.state) == (right, "open")


def test_no_guest_starts_while_somebody_may_open_something(held: Host) -> None:
    held.start()
    made = held.guard()
    hold()
    refused = ask(made, "start")
    assert not refused.ok
    assert "has been held for" in refused.why
    release()
    assert ask(made, "start").ok


def test_a_guard_that_starts_beside_a_held_lock_closes_first(held: Host) -> None:
    hold()
    held.pf.anchors = {render.ANCHOR: "pass quick all"}
    made = guard.Guard()
    made.close_first()
    assert held.pf.anchors == {render.ANCHOR: render.deny_all(), render.WALL: render.wall()}


def test_an_anchor_that_cannot_be_read_does_not_keep_a_guard_from_starting(
    held: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = held.guard()

    def unreadable() -> None:
        raise pfctl.PfError("pfctl -a other -sr: Device busy")

    monkeypatch.setattr("clawkeep.onhost.pfctl.look", unreadable)
    made.close_first()
    assert held.doors == render.deny_all()


def test_whoever_waits_for_a_lock_hears_who_has_it(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "lock"
    said = pytest.raises(store.BusyError, match=r"has been held for 0 s by .*pid \d+\)")
    with store.locked(lock), said, store.locked(lock, timeout_s=0.1):
        raise AssertionError("two have one lock")
    with store.locked(lock, timeout_s=0.1):
        pass


# --- the folder of this boot


def test_a_folder_that_is_not_roots_is_made_anew_and_what_lay_in_it_opens_nothing(
    opened: Host,
) -> None:
    made = opened.guard()
    opened.pf.killed.clear()
    paths.RUN.rmdir()
    paths.RUN.symlink_to(opened.folder)
    closed: list[str] = []
    run = opened.pf.run

    def watched(arguments: list[str], text: str | None) -> tuple[int, str, str]:
        closed.append(opened.doors)
        return run(arguments, text)

    opened.pf.run = watched  # type: ignore[method-assign, assignment]
    opened.pass_time(made, 31)
    [said] = opened.events("repaired")
    assert "is a link; it is kept as" in said
    assert render.deny_all() in closed
    assert opened.pf.killed == ["192.168.64.0/24", "0.0.0.0/0 192.168.64.0/24"]
    assert paths.RUN.is_dir()
    assert not paths.RUN.is_symlink()
    assert made.record.state == "open"


def test_a_folder_that_cannot_be_had_closes(opened: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    made = opened.guard()

    def refuse(_: Path) -> str:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(store, "own_folder", refuse)
    opened.pass_time(made, 31)
    assert (made.record.state, opened.doors) == ("failed", render.deny_all())
