"""Runs one agent from its start to its end, in NanoClaw's place for docker.

It gives the agent its folder and user, carries their files, passes output and signals on, and
removes everything afterwards. A fork watches over it: when the supervisor is killed, the fork
ends the agent at once, and when that is killed too, the next call of the runtime does.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import IO

from clawkeep.contract.markers import Markers
from roles.agent.guest.runtime import (
    granted,
    inside,
    mounts,
    processes,
    pumps,
    registry,
    release,
    room,
    runs,
)
from roles.agent.guest.runtime.arguments import redacted, run_arguments
from roles.agent.guest.runtime.settings import Refused, Settings, account

PASSED_ON = ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2")
MEMORY_EVERY_S = 3
#: Seconds between the request to end and the end, for an agent whose NanoClaw went away.
GRACE_S = 10
DRAIN_S = 5


def run(settings: Settings, words: list[str]) -> int:
    """Run an agent; return its exit status as docker does. Raises Refused."""
    began = time.time()
    arguments = run_arguments(words)
    if not settings.enabled:
        raise Refused('agents may not run directly in this guest (decisions["agent"])')
    runs.living(settings)
    home = account(settings.user).pw_dir
    tree = release.find(settings, os.getcwd())
    plan = mounts.plan(arguments.mounts, settings, tree, home)
    agent = registry.user_of(plan.folder, plan.main, settings)
    program = release.check(settings, tree) + "/dist/index.js"
    if not os.access(settings.node, os.X_OK):
        raise Refused(f"{settings.node}: no such program", status=127)
    grants = granted.load()
    environment = room.environment(settings, arguments, agent)
    with contextlib.closing(runs.users_lock(settings, agent)) as users:
        users.take(exclusive=False, wait=True)
        room.open_up(settings, plan, account(agent).pw_gid)
        made = room.make(settings, arguments, plan, agent, program, grants)
        with contextlib.closing(made.lock):
            runs.publish(settings, arguments.name, made.folder)
            made.run.journal.write(
                "start", argv=redacted(words), agent=agent, dropped=list(plan.dropped)
            )
            made.run.reclaim()
            made.run.mirror(grants)
            status = Supervisor(made.run, environment, users).supervise()
    made.run.journal.write("end", status=status, seconds=round(time.time() - began, 1))
    return status


class Supervisor:
    """The life of one agent. It holds the run's lock, and shares that of the agent's user."""

    def __init__(self, run: runs.Run, environment: dict[str, str], users: runs.Lock) -> None:
        self.run, self.environment, self.users = run, environment, users
        self.pumps = run.pumps()
        self.parent = os.getppid()
        self.signals: list[str] = []
        self.pid: int | None = None
        self.ending: float | None = None
        self.cut_off, self.cut_off_by = "", "TERM"

    def supervise(self) -> int:
        """Run the agent to its end; return its exit status, 128+n when signal n ended it."""
        self.pumps.prepare()
        self.pumps.tick()
        guard = self._guard()
        for name in PASSED_ON:
            signal.signal(getattr(signal, "SIG" + name), lambda number, _: self._note(number))
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Readable and writable, so that opening waits for nobody and the words stay in the pipe.
        said = os.open(self.run.root + inside.ENVIRONMENT, os.O_RDWR | os.O_CLOEXEC)
        started = os.open(self.run.root + inside.STARTED, os.O_RDWR | os.O_CLOEXEC)
        os.write(said, json.dumps(self.environment).encode() + b"\n")
        process = subprocess.Popen(
            processes.as_agent(self.run.agent, "__agent", self.run.name),
            cwd="/",
            stdin=0,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        relays = self._relays(process)
        waiting = [wake, started]
        while process.poll() is None:
            ready = select.select(waiting, [], [], pumps.EVERY_S)[0]
            if wake in ready:
                os.read(wake, 4096)
            if started in ready:
                waiting.remove(started)
                self._agent_started(os.read(started, 64).decode(errors="replace"))
                os.close(started)
                os.close(said)
            self._attend()
        ended = self.run.finish(self.users)
        for relay in relays:
            relay.join(DRAIN_S)
        if ended:
            os.write(guard, b".")
        return self._status(process.returncode)

    def _note(self, number: int) -> None:
        self.signals.append(signal.Signals(number).name[3:])

    def _agent_started(self, said: str) -> None:
        """Keep the agent's pid and start, by which others can tell it from a later process."""
        if not re.fullmatch(r"[0-9]{1,9}\n", said):
            self.cut_off = f"the agent's pid is {said!r}"
            return
        self.pid = pid = int(said)
        begun = processes.started([pid]).get(pid)
        if begun is None:  # it has ended already
            return
        path = self.run.root + "/agent.json"
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump({"pid": pid, "started": begun}, file)
        os.chown(path + ".new", -1, account(self.run.agent).pw_gid)
        os.chmod(path + ".new", 0o640)
        os.rename(path + ".new", path)
        for name in (inside.ENVIRONMENT, inside.STARTED):
            os.unlink(self.run.root + name)
        threading.Thread(target=self._watch_memory, daemon=True).start()

    def _attend(self) -> None:
        """Do what is due: signals, files, and the end of an agent that nobody waits for."""
        self.pumps.tick()
        if self.pid is None and not self.cut_off:
            return
        while self.signals:
            self._signal(self.signals.pop(0))
        if os.getppid() != self.parent and not self.cut_off:
            self.cut_off = "NanoClaw has ended"
        if self.cut_off and self.ending is None:
            self.ending = time.monotonic()
            self.run.journal.write("cut off", why=self.cut_off)
            self._signal(self.cut_off_by)
        elif self.ending is not None and time.monotonic() > self.ending + GRACE_S:
            self.ending = time.monotonic()
            self.run.finish(self.users)

    def _signal(self, name: str) -> None:
        processes.ask_agent(self.run.agent, "__signal", self.run.name, name)

    def _watch_memory(self) -> None:
        """End an agent whose processes take more than they may: macOS has no such limit itself."""
        limit = self.run.settings.limits.memory_mb
        uid = account(self.run.agent).pw_uid
        while limit is not None and not self.cut_off:
            time.sleep(MEMORY_EVERY_S)
            used = processes.memory_mb(uid)
            if used > limit:
                sys.stderr.write(f"docker: the agent uses {used} MB, and may use {limit}\n")
                self.cut_off_by = "KILL"
                self.cut_off = f"memory: {used} MB of {limit}"

    def _relays(self, process: subprocess.Popen[bytes]) -> list[threading.Thread]:
        """Pass output on: were the agent to hold NanoClaw's pipes, our end would not be seen."""
        markers, journal = Markers(), self.run.journal

        def read(data: bytes) -> None:
            for output in markers.feed(data):
                journal.output(output)

        threads = [
            threading.Thread(target=self._relay, args=(process.stdout, 1, read), daemon=True),
            threading.Thread(target=self._relay, args=(process.stderr, 2, len), daemon=True),
        ]
        for thread in threads:
            thread.start()
        return threads

    def _relay(self, source: IO[bytes] | None, to: int, read: Callable[[bytes], object]) -> None:
        while source is not None and (data := os.read(source.fileno(), 1 << 16)):
            rest = data
            try:
                while rest:
                    rest = rest[_write(to, rest) :]
            except OSError:
                self.cut_off = self.cut_off or "NanoClaw does not listen any more"
                to = os.open(os.devnull, os.O_WRONLY)
            read(data)  # afterwards: NanoClaw waits for the answer, the journal does not

    def _status(self, returned: int) -> int:
        if self.pid is None and returned not in (126, 127):
            return 125  # sudo's own failure, or our refusal
        return 128 - returned if returned < 0 else returned

    def _guard(self) -> int:
        """Fork who ends the run when we are killed; return the pipe that says it was ended."""
        listens, tells = os.pipe()
        if os.fork():
            os.close(listens)
            return tells
        status = 1
        try:
            os.close(tells)
            os.setsid()
            # None of NanoClaw's pipes may stay open because of us.
            silence = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(silence, descriptor)
            for name in PASSED_ON:
                signal.signal(getattr(signal, "SIG" + name), signal.SIG_IGN)
            if not os.read(listens, 1):
                self.run.journal.write("abandoned")
                self.run.finish(self.users)
            status = 0
        finally:
            os._exit(status)


def _write(descriptor: int, data: bytes) -> int:
    """Write what goes; a caller may have made its pipe one that does not wait."""
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        select.select([], [descriptor], [])
        return 0
