"""One at a time works on the guest; whoever stops it says so, and only as long as it is true."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clawkeep.onhost import maintenance, store


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


# -- the turn --------------------------------------------------------------------------------------

HOLDS = """
import sys
from pathlib import Path
from clawkeep.onhost import maintenance
maintenance.TURN, maintenance.GUEST = map(Path, sys.argv[1:3])
how = getattr(maintenance, sys.argv[3])
with how("daily work", wait_s=5) as held:
    print(held, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found = [tmp_path / "turn.lock", tmp_path / "guest.lock"]
    monkeypatch.setattr(maintenance, "TURN", found[0])
    monkeypatch.setattr(maintenance, "GUEST", found[1])
    return [str(path) for path in found]


@contextmanager
def elsewhere(locks: list[str], how: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that is at work; with it comes what it printed."""
    command = [sys.executable, "-c", HOLDS, *locks, how]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


@pytest.mark.parametrize("how", ["turn", "working"])
def test_one_at_a_time_and_the_second_is_told_who(locks: list[str], how: str) -> None:
    with elsewhere(locks, how) as (process, _):
        for mine in (maintenance.turn, maintenance.working):
            began = time.monotonic()
            with (
                pytest.raises(store.BusyError, match="daily work") as busy,
                mine("a second one", wait_s=0.3),
            ):
                pass
            assert 0.25 < time.monotonic() - began < 3
            assert f"(pid {process.pid}, since " in str(busy.value)
        # Killed, it holds nothing up.
        process.kill()
        with maintenance.working("a second one", wait_s=5):
            pass


def test_whoever_waits_has_it_next(locks: list[str]) -> None:
    with elsewhere(locks, "turn") as (process, _):
        threading.Timer(0.3, process.kill).start()
        with maintenance.turn("a converge", wait_s=10):
            assert process.poll() is not None or process.wait(5)


def test_its_own_steps_are_part_of_it_and_nobody_elses(locks: list[str]) -> None:
    with elsewhere(locks, "turn") as (process, token):
        with maintenance.working("its snapshot", wait_s=0, within=token):
            pass
        wrong = pytest.raises(store.BusyError, match="has ended")
        with wrong, maintenance.working("another's", wait_s=0, within="0" * 32):
            pass
        # A step that its maker was killed over is still at work on the guest.
        with maintenance.working("its snapshot", wait_s=0, within=token):
            process.kill()
            process.wait()
            over = pytest.raises(store.BusyError, match="its snapshot")
            with over, maintenance.turn("a converge", wait_s=0.2):
                pass
        late = pytest.raises(store.BusyError, match="has ended")
        with late, maintenance.working("its restore", wait_s=0, within=token):
            pass
        with maintenance.turn("a converge", wait_s=0):
            pass


def test_a_child_that_still_copies_keeps_others_away() -> None:
    with maintenance.working("a snapshot", wait_s=0) as handle:
        child = subprocess.Popen(["sleep", "30"], pass_fds=(handle,))
    busy = pytest.raises(store.BusyError, match="a snapshot")
    with busy, maintenance.turn("a converge", wait_s=0):
        pass
    child.kill()
    child.wait()
    with maintenance.turn("a converge", wait_s=0):
        pass


def test_what_is_said_around_it_is_said_again() -> None:
    with maintenance.doing("an update"):
        with maintenance.doing("its snapshot"):
            assert maintenance.current().reason == "its snapshot"  # type: ignore[union-attr]
        assert maintenance.current().reason == "an update"  # type: ignore[union-attr]
    assert maintenance.current() is None
