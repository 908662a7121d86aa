"""Keeps one `tart run` alive on the host, and ends it as a person would: from inside the guest.

`tart run` has no handler for SIGTERM, so launchd's way of stopping a job is a power cut for the
guest, and `tart stop` is another one (reference/tart.md §1.5, §1.7). This process takes the
SIGTERM instead, asks the guest to shut down over vsock, and cuts the power only when the guest
does not listen. Because tart exits 0 when a guest crashes, its words decide, not its status.

It runs on the host under the host's own Python: standard library only.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

from clawkeep import tart
from clawkeep.onhost import paths, sock

#: Seconds a guest gets to shut down before its power is cut; launchd waits longer than this.
SHUTDOWN_S = 120
#: Seconds that the guard gets to come up and to close everything, and between two questions.
GUARD_WAIT_S = 60
ASK_AGAIN_S = 1.0
POLL_S = 0.2
#: Seconds that tart gets to end after its guest, and its last words to arrive.
KILL_S = 10
#: Seconds between two requests to a guest that has not taken one.
GRACE_S = 3
DRAIN_S = 5

SHUT_DOWN = ("/usr/bin/sudo", "-n", "/sbin/shutdown", "-h", "now")


def log_file(name: str) -> str:
    """Return the log of the VM's supervisor, relative to the home of the user that runs it."""
    return f"Library/Logs/clawkeep/{name}.log"


class Supervisor:
    """One guest's process, from start to an orderly end."""

    def __init__(self, name: str, command: Sequence[str], shutdown_s: float = SHUTDOWN_S) -> None:
        self.name = name
        self.command = list(command)
        self.shutdown_s = shutdown_s
        # A plain flag: an Event set in a signal handler can lock up the thread waiting for it.
        self._stopping = False
        self._words: list[str] = []

    def run(self) -> int:
        """Run the guest until it ends or SIGTERM/SIGINT asks for its end.

        Returns 0 after an orderly end, 1 when the guest crashed or tart failed, 75 (try again)
        when the guard does not vouch that everything is closed: a guest never starts unguarded.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        self._clear_orphan()
        if why := self._refused():
            say(f"the guest stays down: {why}")
            return 75
        if self._stopping:
            return 0
        say("starting: " + " ".join(self.command))
        process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        if process.stdout is None:
            raise AssertionError("a pipe was asked for")
        # A daemon: a child that tart left behind may hold the pipe open for ever.
        reader = threading.Thread(target=self._listen, args=(process.stdout,), daemon=True)
        reader.start()
        asked_at = self._wait(process)
        self._tell_ended()
        reader.join(timeout=DRAIN_S)
        return self._judge(process.returncode, stopped_by_us=asked_at is not None)

    def _refused(self) -> str:
        """Ask the guard until it lets the guest start; say why it does not, "" when it does."""
        deadline, why = time.monotonic() + GUARD_WAIT_S, ""
        while not self._stopping:
            try:
                answer = sock.ask({"ask": "start", "guest": self.name}, path=paths.SOCKET)
                if answer.get("ok") is True:
                    return ""
                refused = str(answer.get("why", "the guard says no"))
            except sock.AskError as error:
                refused = str(error)
            if time.monotonic() > deadline:
                return refused
            if refused != why:
                say(f"waiting: {refused}")
            why = refused
            time.sleep(ASK_AGAIN_S)
        return ""

    def _tell_ended(self) -> None:
        """Have the doors of a guest that is gone closed: its address may be another's soon."""
        try:
            sock.ask({"ask": "ended", "guest": self.name}, path=paths.SOCKET)
        except sock.AskError as error:
            # It sees for itself within a second or two that the bridge has changed.
            say(str(error))

    def _ask_to_stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _wait(self, process: subprocess.Popen[str]) -> float | None:
        """Wait for tart's end; after a request to stop, see that it comes."""
        while process.poll() is None:
            if self._stopping:
                self._end(process)
                return time.monotonic()
            time.sleep(POLL_S)
        return None

    def _end(self, process: subprocess.Popen[str]) -> None:
        self._shut_down(lambda: process.poll() is None)
        try:
            process.wait(timeout=KILL_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _shut_down(self, running: Callable[[], bool]) -> None:
        """Ask the guest to shut down until it does; cut its power when it never listens.

        A guest that just booted has no agent yet, and one that obeys may cut its answer short: so
        the answer decides nothing, only whether the guest ends.
        """
        now = time.monotonic()
        deadline, ask_until = now + self.shutdown_s, now + self.shutdown_s / 2
        accepted, answer = False, None
        while running() and time.monotonic() < deadline:
            if not accepted:
                if time.monotonic() > ask_until:
                    break
                answer = _quietly([*tart.execute(self.name, SHUT_DOWN)], timeout_s=20)
                accepted = answer is None
                say(f"the guest was asked to shut down{f': {answer}' if answer else ''}")
            pause = time.monotonic() + GRACE_S
            while running() and time.monotonic() < min(pause, deadline):
                time.sleep(0.05)
        if running():
            say("it did not; cutting its power")
            _quietly([tart.TART, "stop", self.name, "--timeout", "20"], timeout_s=30)

    def _clear_orphan(self) -> None:
        """End the guest of a supervisor that was killed: tart would refuse to run it twice."""
        if self._runs():
            say("the guest runs already, without a supervisor; it is shut down first")
            self._shut_down(self._runs)
            self._tell_ended()

    def _runs(self) -> bool:
        done = subprocess.run(
            tart.get(self.name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return re.search(r'"State"\s*:\s*"running"', done.stdout) is not None

    def _listen(self, stream: IO[str]) -> None:
        for line in stream:
            say(f"tart: {line.rstrip()}")
            self._words.append(line)
            del self._words[:-50]

    def _judge(self, status: int, *, stopped_by_us: bool) -> int:
        words = "".join(self._words)
        crashed = "due to error" in words or "has been disconnected with error" in words
        if status == 0 and not crashed:
            say("the guest has stopped" + (" as asked" if stopped_by_us else " by itself"))
            return 0
        say(f"the guest {'crashed' if crashed else 'ended'}: tart run exited {status}")
        return 1


def say(text: str) -> None:
    """Write one dated line to the log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(f"{stamp} {text}", flush=True)


def _quietly(command: list[str], timeout_s: float) -> str | None:
    """Run a command; return None when it worked, else what it said."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"


def main(arguments: Sequence[str]) -> int:
    """Run as `supervise NAME -- COMMAND…`."""
    if len(arguments) < 3 or arguments[1] != "--":
        sys.stderr.write("usage: clawkeep supervise NAME -- COMMAND…\n")
        return 64
    return Supervisor(arguments[0], arguments[2:]).run()
