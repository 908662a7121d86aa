"""The turn that a process on the host holds for an operator's machine, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clawkeep.onhost import hold, maintenance, snapshot, snapshot_state, store
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.records import RESTORE, Task
from tests.unit.snapshots.fake_mac import GUEST, Host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the verb is root's")

HOLD = """
import sys
from pathlib import Path
from clawkeep.onhost import hold, maintenance, snapshot_shelf
folder = Path(sys.argv[1])
for name in ("TURN", "GUEST", "FILE"):
    setattr(maintenance, name, folder / name)
hold.Shelf = lambda: snapshot_shelf.Shelf(folder)
sys.exit(hold.main(sys.argv[2:]))
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TURN", "GUEST", "FILE"):
        monkeypatch.setattr(maintenance, name, tmp_path / name)
    return tmp_path


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), "a converge, by me@here"],
        stdin=pipe, stdout=pipe, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("held ")
        yield process
        process.kill()


def free() -> bool:
    try:
        with maintenance.turn("a test", wait_s=0):
            return True
    except store.BusyError as busy:
        return "a converge, by me@here (pid " not in str(busy)


@pytest.mark.parametrize("how", ["its input ends", "SIGTERM", "SIGKILL"])
def test_it_ends_with_its_input_or_its_process(files: Path, how: str) -> None:
    with held(files) as process:
        assert not free()
        said = maintenance.current()
        assert said is not None
        assert said.reason == "a converge, by me@here"
        if how == "its input ends":
            assert process.stdin is not None
            process.stdin.close()
        else:
            process.send_signal(getattr(signal, how))
        process.wait(10)
        assert free()
        assert maintenance.current() is None


def test_the_second_is_told_and_has_its_own_exit_status(files: Path) -> None:
    with held(files):
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", HOLD, str(files), "another", "--wait", "0.5"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert time.monotonic() - began >= 0.5
    assert (done.returncode, done.stdout) == (75, "")
    assert "a converge, by me@here (pid " in done.stderr


@pytest.fixture
def interrupted(files: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A restore was killed with the guest between its two names."""
    it = Host(files / "snapshots")
    it.work().create("by hand", "a try")
    it.mac.running.clear()
    it.mac.job = False
    (name,) = it.snapshots()
    it.shelf.begin(Task(RESTORE, name, GUEST, it.mac.time, up=True, kept="vm-before-x"))
    it.mac.disks["vm-before-x"] = it.mac.disks.pop(GUEST)

    @contextmanager
    def at_work(*_: object, **options: object) -> Iterator[object]:
        assert options["within"]
        yield it.work()

    monkeypatch.setattr(hold, "Shelf", lambda: it.shelf)
    monkeypatch.setattr(snapshot, "at_work", at_work)
    monkeypatch.setattr(snapshot_state, "plan", lambda: it.plan)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(store, "event", lambda *_, **__: None)
    monkeypatch.setattr(hold, "_until_over", lambda: None)
    return it


def test_what_was_interrupted_is_ended_first(interrupted: Host) -> None:
    assert hold.main(["a converge"]) == 0
    assert interrupted.mac.disks[GUEST] == "first"
    assert interrupted.shelf.task() is None


def test_without_a_guest_of_its_name_nobody_begins(
    interrupted: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise SnapshotError("tart rename: no")

    monkeypatch.setattr(interrupted.mac, "rename", fails)
    assert hold.main(["a converge"]) == 1
    said = capsys.readouterr()
    assert (said.out, "tart rename: no" in said.err) == ("", True)


def test_with_one_it_may_be_what_mends_it(
    interrupted: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise SnapshotError("its plist is missing; converge the phase base")

    monkeypatch.setattr(interrupted.mac, "start", fails)
    assert hold.main(["a converge"]) == 0
    assert capsys.readouterr().out.startswith("held ")
    assert GUEST in interrupted.mac.disks
