"""One loaded job: when it starts, what its end leads to, and how it is taken away.

Source: reference/macos.md §4.1-4.2. That the process group gets SIGTERM when the job ends, and that
`kickstart -k` means SIGKILL, is from public reports; lab/facts/launchd.md says what is unverified.
"""

import os
import signal
import socket
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from . import calendar, log, sockets
from .loop import Timer
from .plist import JobSpec
from .spawn import spawn
from .watch import PathWatch

if TYPE_CHECKING:
    from .domain import Domain

CALENDAR_RECHECK_S = 60  # the wall clock may be set: never sleep longer than this towards a date
NO_CRASH = {signal.SIGKILL, signal.SIGTERM}


class Job:
    """A job in its domain."""

    def __init__(self, spec: JobSpec, domain: "Domain") -> None:
        self.spec, self.domain, self.loop = spec, domain, domain.loop
        self.pid: int | None = None
        self.connections: set[int] = set()  # pids of inetd-style instances
        self.runs = 0
        self.status: int | None = None  # wait status of the last end
        self.reason = ""
        self.terminating: signal.Signals | None = None
        self.draining = False
        self._started = 0.0
        self._waiters: list[Callable[[int], None]] = []
        self._respawn: Timer | None = None
        self._killer: Timer | None = None
        self._clocks: dict[str, Timer] = {}
        self._due: datetime | None = None
        self._watches: list[PathWatch] = []
        self._inetd: sockets.Inetd | None = None

    @property
    def label(self) -> str:
        """The job's label, unique in its domain."""
        return self.spec.label

    @property
    def state(self) -> str:
        """The state as `launchctl print` shows it."""
        if self.terminating is not None and self.pid:
            return f"{self.terminating.name}ed"
        if self.pid:
            return "running"
        return "spawn scheduled" if self._respawn is not None else "not running"

    def load(self) -> None:
        """Arm everything that starts the job, and start it if it is to run at load."""
        spec = self.spec
        if spec.listeners:
            bound = sockets.open_all(self.domain.target(self.label), spec.listeners)
            self._inetd = sockets.Inetd(self.loop, bound, self._accepted)
            self._inetd.accept(True)
            return
        if spec.watch_paths:
            self._watch(list(spec.watch_paths), lambda: self.demand("path change"))
        if path_state := spec.keep_alive_if.get("PathState"):
            self._watch(list(path_state), self.reconsider)
        if spec.start_interval_s:
            self._arm_interval()
        if spec.calendar:
            self._arm_calendar(calendar.next_due(spec.calendar, datetime.now()))
        outcome_wanted = {"SuccessfulExit", "Crashed"} & set(spec.keep_alive_if)
        if spec.run_at_load or spec.keep_alive or outcome_wanted or self._condition_holds():
            self.demand("speculative")

    def demand(self, reason: str) -> None:
        """Start the job unless it runs, as soon as the throttle allows."""
        if self.pid or self.draining or self._respawn is not None:
            return
        wait = self._started + self.spec.throttle_s - time.monotonic() if self.runs else 0.0
        if wait <= 0:
            self._spawn(reason)
            return
        log.write(self._subject(), f"Service only ran recently. Pushing respawn out {wait:.0f} s.")
        self._respawn = self.loop.after(wait, lambda: self._spawn(reason))

    def reconsider(self) -> None:
        """Start the job if one of its KeepAlive conditions holds now."""
        if self._condition_holds():
            self.demand("keep alive condition")

    def kickstart(self, *, kill: bool, started: Callable[[int], None]) -> None:
        """Start at once, throttle or not; with `kill`, a running instance is SIGKILLed first."""
        if self.pid and not kill:
            started(self.pid)
            return
        if self.pid:
            self._waiters.append(started)
            self.kill(signal.SIGKILL)
            self.terminating = signal.SIGKILL
            return
        self._spawn("non-ipc demand")
        started(self.pid or 0)

    def kill(self, number: int) -> bool:
        """Send a signal to the running instance; False when there is none."""
        if not self.pid:
            return False
        os.kill(self.pid, number)
        return True

    def terminate(self) -> None:
        """SIGTERM now, SIGKILL after ExitTimeOut."""
        if self.pid and self.terminating is None:
            self.terminating = signal.SIGTERM
            self.kill(signal.SIGTERM)
            self._killer = self.loop.after(self.spec.exit_timeout_s, self._kill_hard)

    def unload(self) -> bool:
        """Disarm everything and end the job; True when nothing is left to wait for."""
        self.draining = True
        for timer in (*self._clocks.values(), self._respawn):
            if timer is not None:
                timer.cancel()
        self._respawn = None
        for watch in self._watches:
            watch.close()
        if self._inetd is not None:
            self._inetd.close()  # connections that are open stay: nobody is logged out
        self.terminate()
        return self.pid is None

    def ended(self, pid: int, status: int) -> None:
        """Take note of an instance's end (already reaped) and decide what follows."""
        if pid in self.connections:
            self.connections.discard(pid)
            self.status = status
            if self._inetd is not None and not self.draining:
                self._inetd.accept(len(self.connections) < self.spec.instances)
            return
        self.pid, self.status, self.terminating = None, status, None
        if self._killer is not None:
            self._killer.cancel()
            self._killer = None
        log.write(f"{self._subject()} [{pid}]", describe(status))
        if self.draining:
            self.domain.drained(self)
        elif self._waiters:
            self._spawn("non-ipc demand")
            waiters, self._waiters = self._waiters, []
            for started in waiters:
                started(self.pid or 0)
        elif self._kept_alive(status):
            self.demand("inefficient")

    def _kept_alive(self, status: int) -> bool:
        if self.spec.keep_alive:
            return True
        conditions = self.spec.keep_alive_if
        if "SuccessfulExit" in conditions and conditions["SuccessfulExit"] == (status == 0):
            return True
        crashed = os.WIFSIGNALED(status) and os.WTERMSIG(status) not in NO_CRASH
        if "Crashed" in conditions and conditions["Crashed"] == crashed:
            return True
        return self._condition_holds()

    def _condition_holds(self) -> bool:
        conditions = self.spec.keep_alive_if
        paths = conditions.get("PathState", {})
        others = conditions.get("OtherJobEnabled", {})
        return any(os.path.exists(path) == wanted for path, wanted in paths.items()) or any(
            (label in self.domain.jobs) == wanted for label, wanted in others.items()
        )

    def _spawn(self, reason: str) -> None:
        if self._respawn is not None:
            self._respawn.cancel()
            self._respawn = None
        self._started = time.monotonic()
        self.reason = reason
        self.runs += 1
        self.pid = spawn(self.spec, self.domain.context())
        self.domain.started(self, self.pid)
        log.write(f"{self._subject()} [{self.pid}]", f"Successfully spawned because {reason}")

    def _accepted(self, connection: socket.socket) -> None:
        pid = spawn(self.spec, self.domain.context(), connection.fileno())
        self.runs += 1
        self.connections.add(pid)
        self.domain.started(self, pid)
        if self._inetd is not None:
            self._inetd.accept(len(self.connections) < self.spec.instances)

    def _kill_hard(self) -> None:
        if self.pid:
            log.write(self._subject(), "Service did not exit after SIGTERM. Sending SIGKILL.")
            self.kill(signal.SIGKILL)
            self.terminating = signal.SIGKILL

    def _watch(self, watched: list[str], changed: Callable[[], None]) -> None:
        self._watches.append(PathWatch(self.loop, watched, changed))

    def _arm_interval(self) -> None:
        self._clocks["interval"] = self.loop.after(self.spec.start_interval_s or 0, self._tick)

    def _tick(self) -> None:
        self._arm_interval()
        self.demand("interval timer")

    def clock_was_set(self) -> None:
        """Look again whether the calendar has come to the next run: the clock was set, or slept."""
        if self._due is not None and not self.draining:
            self._clocks["calendar"].cancel()
            self._check_calendar(self._due)

    def _arm_calendar(self, due: datetime | None) -> None:
        self._due = due
        if due is not None:
            wait = (due - datetime.now()).total_seconds()
            self._clocks["calendar"] = self.loop.after(
                min(max(wait, 0.0), CALENDAR_RECHECK_S), lambda: self._check_calendar(due)
            )

    def _check_calendar(self, due: datetime) -> None:
        now = datetime.now()
        if now >= due:
            self.demand("calendar interval")
            self._arm_calendar(calendar.next_due(self.spec.calendar, now))
        else:
            self._arm_calendar(due)

    def _subject(self) -> str:
        return self.domain.target(self.label)


def describe(status: int) -> str:
    """Say how a process ended."""
    if os.WIFSIGNALED(status):
        return f"exited due to {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exited with exit code {os.WEXITSTATUS(status)}"
