"""The supervisor, as launchd runs it: a process that gets signals, with a `tart` of our own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# The guest is a file: while it exists, `tart run` runs.
TART = """#!/bin/sh
cd "$KEEP"
echo "$@" >> calls
case "$1" in
get) [ ! -e guest ] || echo '{"State" : "running"}' ;;
run) shift
  echo running > guest
  [ ! -e words ] || cat words
  [ ! -e crash ] || { rm guest; exit 0; }
  [ ! -e refuse ] || { rm guest; echo 'VM "keep" is already running' >&2; exit 2; }
  while [ -e guest ]; do sleep 0.02; done
  exit 0 ;;
exec) [ ! -e deaf ] || { echo 'agent: connection refused' >&2; exit 1; }
  [ ! -e closes ] || { rm guest; echo 'stream closed by the guest' >&2; exit 255; }
  [ ! -e booting ] || { rm booting; echo 'is the Tart Guest Agent running?' >&2; exit 1; }
  [ -e stubborn ] || rm guest ;;
stop) [ -e hung ] || rm -f guest ;;
esac
"""

PROGRAM = """
import sys
from pathlib import Path
from clawkeep import supervisor, tart
folder = Path(sys.argv[1])
tart.TART = str(folder / "tart")
supervisor.paths.SOCKET = folder / "sock"
supervisor.GUARD_WAIT_S = float(sys.argv[2])
supervisor.POLL_S = supervisor.ASK_AGAIN_S = 0.02
supervisor.GRACE_S = 0.3
supervisor.KILL_S = supervisor.DRAIN_S = 0.3
command = [tart.TART, "run", "--no-graphics", "keep"]
sys.exit(supervisor.Supervisor("keep", command, shutdown_s=1).run())
"""


class Guard:
    """Answers on the socket as the guard does, and remembers what it was asked."""

    def __init__(self, path: Path, answer: dict[str, object]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    request = json.loads(connection.makefile().readline())
                    assert request["guest"] == "keep"
                    self.asked.append(request["ask"])
                    connection.sendall(json.dumps(self.answer).encode() + b"\n")


class Keep:
    """A folder with a `tart`, a guard, and the supervisor's process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tart").write_text(TART)
        (folder / "tart").chmod(0o755)
        self.process: subprocess.Popen[str] | None = None
        self.guard: Guard | None = None

    def guarded(self, **answer: object) -> Guard:
        """Have a guard that answers so; it lets the guest start when not told otherwise."""
        self.guard = Guard(self.folder / "sock", answer or {"ok": True})
        return self.guard

    def having(self, *names: str) -> Keep:
        for name in names:
            (self.folder / name).touch()
        return self

    def start(self, guard_wait_s: float = 10) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.folder), str(guard_wait_s)],
            env=os.environ | {"KEEP": str(self.folder), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self.process

    def up(self) -> subprocess.Popen[str]:
        """Start, and return once the guest runs."""
        if self.guard is None:
            self.guarded()
        process = self.start()
        end = time.monotonic() + 10
        while not (self.folder / "guest").exists():
            assert time.monotonic() < end
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        return process

    def calls(self) -> list[str]:
        """Return what changes something: questions do not count."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if not line.startswith("get ")]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    keep = Keep(tmp_path)
    yield keep
    if keep.guard is not None:
        keep.guard.listener.close()
    (tmp_path / "guest").unlink(missing_ok=True)
    if keep.process and keep.process.poll() is None:
        keep.process.kill()
        keep.process.wait()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=20)
    return process.returncode, output


SHUT_DOWN = "exec keep /usr/bin/sudo -n /sbin/shutdown -h now"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_shuts_the_guest_down_from_inside_and_waits(
    keep: Keep, number: signal.Signals
) -> None:
    process = keep.up()
    process.send_signal(number)
    status, output = ended(process)
    assert status == 0, output
    assert keep.calls() == ["run --no-graphics keep", SHUT_DOWN]
    assert "the guest was asked to shut down" in output
    assert "the guest has stopped as asked" in output


def test_an_answer_cut_short_by_the_shutdown_is_an_answer(keep: Keep) -> None:
    process = keep.having("closes").up()
    process.terminate()
    assert ended(process)[0] == 0
    assert keep.calls()[1:] == [SHUT_DOWN]


def test_a_guest_that_does_not_listen_loses_its_power(keep: Keep) -> None:
    process = keep.having("deaf").up()
    process.terminate()
    status, output = ended(process)
    assert status == 0, output
    assert set(keep.calls()[1:-1]) == {SHUT_DOWN}
    assert keep.calls()[-1] == "stop keep --timeout 20"
    assert "asked to shut down: agent: connection refused" in output
    assert "cutting its power" in output


def test_a_guest_that_is_still_booting_is_asked_again(keep: Keep) -> None:
    process = keep.having("booting").up()
    process.terminate()
    status, output = ended(process)
    assert status == 0
    assert keep.calls()[1:] == [SHUT_DOWN, SHUT_DOWN]
    assert "cutting its power" not in output


def test_the_guest_of_a_killed_supervisor_is_shut_down_and_started_again(keep: Keep) -> None:
    keep.up().kill()
    first = keep.process
    assert first is not None
    first.wait()
    process = keep.start()
    end = time.monotonic() + 10
    while keep.calls().count("run --no-graphics keep") < 2 and time.monotonic() < end:
        time.sleep(0.01)
    process.terminate()
    status, output = ended(process)
    assert status == 0
    assert keep.calls()[:3] == ["run --no-graphics keep", SHUT_DOWN, "run --no-graphics keep"]
    assert "runs already, without a supervisor" in output


def test_a_guest_that_does_not_come_down_in_time_loses_its_power(keep: Keep) -> None:
    process = keep.having("stubborn").up()
    process.terminate()
    status, _ = ended(process)
    assert status == 0
    assert keep.calls()[1:] == [SHUT_DOWN, "stop keep --timeout 20"]


def test_a_tart_that_hangs_is_killed_in_the_end(keep: Keep) -> None:
    process = keep.having("deaf", "hung").up()
    process.terminate()
    status, output = ended(process)
    assert status == 1
    assert "tart run exited -9" in output


def test_a_guest_that_ends_by_itself_is_an_orderly_end(keep: Keep) -> None:
    process = keep.up()
    (keep.folder / "guest").unlink()
    status, output = ended(process)
    assert (status, keep.calls()) == (0, ["run --no-graphics keep"])
    assert "the guest has stopped by itself" in output


@pytest.mark.parametrize(
    "words",
    [
        "Virtual machine has stopped due to error: out of memory",
        "Virtual machine's network attachment 0 has been disconnected with error: softnet died",
    ],
)
def test_a_crash_is_told_by_tarts_words_since_its_status_is_0(keep: Keep, words: str) -> None:
    (keep.folder / "words").write_text(words + "\n")
    keep.guarded()
    status, output = ended(keep.having("crash").start())
    assert status == 1
    assert f"tart: {words}" in output
    assert "the guest crashed: tart run exited 0" in output


def test_a_tart_that_refuses_is_a_failure_with_its_own_words(keep: Keep) -> None:
    keep.guarded()
    status, output = ended(keep.having("refuse").start())
    assert status == 1
    assert 'tart: VM "keep" is already running' in output
    assert "the guest ended: tart run exited 2" in output


def test_no_guest_starts_while_there_is_no_guard(keep: Keep) -> None:
    status, output = ended(keep.start(guard_wait_s=0.1))
    assert (status, keep.calls()) == (75, [])
    assert "the guest stays down: the guard does not answer at" in output


@pytest.mark.parametrize("answer", [{"ok": False, "why": "cut off: a leak"}, {"ok": "yes"}, {}])
def test_no_guest_starts_that_the_guard_refuses(keep: Keep, answer: dict[str, object]) -> None:
    guard = keep.guarded(nothing=0)
    guard.answer = answer
    status, output = ended(keep.start(guard_wait_s=0.1))
    assert (status, keep.calls()) == (75, [])
    assert f"the guest stays down: {answer.get('why', 'the guard says no')}" in output
    assert set(guard.asked) == {"start"}


def test_the_guest_starts_as_soon_as_the_guard_lets_it(keep: Keep) -> None:
    guard = keep.guarded(ok=False, why="failed: pf is disabled")
    process = keep.start()
    time.sleep(0.3)
    assert keep.calls() == []
    guard.answer = {"ok": True}
    end = time.monotonic() + 10
    while not keep.calls() and time.monotonic() < end:
        time.sleep(0.01)
    assert keep.calls() == ["run --no-graphics keep"]
    process.terminate()
    assert ended(process)[0] == 0
    assert guard.asked[-1] == "ended"


def test_the_guard_is_told_when_the_guest_is_gone_and_not_before(keep: Keep) -> None:
    guard = keep.guarded()
    process = keep.up()
    assert guard.asked == ["start"]
    (keep.folder / "guest").unlink()
    assert ended(process)[0] == 0
    assert guard.asked == ["start", "ended"]


def test_a_stop_while_waiting_for_the_guard_starts_nothing(keep: Keep) -> None:
    process = keep.start()
    time.sleep(0.3)
    process.terminate()
    assert (ended(process)[0], keep.calls()) == (0, [])


def test_a_child_that_holds_tarts_output_does_not_hold_the_supervisor(keep: Keep) -> None:
    text = (keep.folder / "tart").read_text()
    child = 'run) shift; sleep 30 & echo $! > "$KEEP/child"'
    (keep.folder / "tart").write_text(text.replace("run) shift", child))
    process = keep.up()
    (keep.folder / "guest").unlink()
    try:
        assert process.wait(timeout=10) == 0
    finally:
        os.kill(int((keep.folder / "child").read_text()), signal.SIGKILL)
