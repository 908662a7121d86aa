"""`clawkeep alert run`: launchd's job that looks every second, queues, and sends.

What it sees is written to the queue before anything is sent, and the place in events.jsonl in the
same transaction: killed at any moment, it goes on where it was. While the queue cannot be written
(a full disk) it goes on in memory, with a copy of what was there, and says so; conditions that
stand are found again whatever becomes of it.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from clawkeep.alerts import Event, HookError, Queue, Sender
from clawkeep.alerts.database import DamagedError, connect, put_aside
from clawkeep.alerts.sender import TROUBLED
from clawkeep.onhost import alert_agent, alert_send, alert_standing, clock, paths, store, tail
from clawkeep.onhost.alert_send import Settings
from clawkeep.onhost.alert_watch import REPAIRED, SOURCE, Eyes, conditions, notice
from clawkeep.onhost.tail import Mark
from clawkeep.onhost.watch import mark

LOCK = paths.RUN / "alerts.lock"
TICK_S = 1.0
AGAIN_S = 60.0
"""A condition that stands is raised again so often: then hooks are reminded when they are due."""

SETTLE_S = 10.0
"""What comes and goes within so long is one alert."""

FINISH_S = 15.0
"""launchd kills a job that has not ended 20 s after it was told to."""

DISK = "alerts-disk"
BOOKMARK = "events"


@dataclass
class Daemon:
    """What is known between two looks. Times but `now` are of a monotonic clock."""

    queue: Queue
    settings: Settings = field(default_factory=Settings)
    sender: Sender = field(default_factory=Sender)
    eyes: Eyes = field(default_factory=Eyes)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _read: Any = ""
    _raised: dict[str, tuple[Event, float]] = field(default_factory=dict)
    _seen: dict[str, float] = field(default_factory=dict)
    _agent: Future[Event | bool | None] | None = None
    _asked: float = float("-inf")
    _refused: Event | None = None
    _answered: bool = False

    def step(self, ticks: float) -> None:
        """Look once, queue, and send. Raises sqlite3.Error when the queue cannot be written."""
        self._settle_hooks()
        sight = self.eyes.look(ticks)
        now = sight.now
        found = {event.key: event for event in (*conditions(sight), *self._troubled())}
        self._look_at_agent(ticks, asked=sight.record.state == "open")
        if self._refused is not None:
            found[self._refused.key] = self._refused
        with self.queue.writing():
            self._happened(ticks, now)
            for key, event in found.items():
                self._seen[key] = ticks
                there = self._raised.get(key)
                if there is None or there[0] != event or ticks - there[1] >= AGAIN_S:
                    self.queue.raise_(event, now)
            self._over(found, ticks, now)
        # Only what is written down counts as raised.
        for key, event in found.items():
            there = self._raised.get(key)
            if there is None or there[0] != event or ticks - there[1] >= AGAIN_S:
                self._raised[key] = event, ticks
        self.sender.step(self.queue, now)
        alert_standing.write(self.queue, found.keys(), now)

    def finish(self) -> None:
        """Wait for what is under way, so that it is not sent again; not for ever."""
        deadline = time.monotonic() + FINISH_S
        while self.sender.finish(self.queue, clock.now()) and time.monotonic() < deadline:
            time.sleep(0.1)

    def _happened(self, ticks: float, now: float) -> None:
        """Raise what is new in events.jsonl; what was there before the first look is history."""
        known = self.queue.meta(BOOKMARK)
        if known is None:
            there = tail.end(paths.EVENTS)
            self.queue.set_meta(BOOKMARK, there.text() if there else "null")
            return
        piece = tail.read(paths.EVENTS, Mark.parse(known))
        text = piece.mark.text() if piece.mark else "null"
        if text == known:
            return
        for line in piece.lines:
            event = notice(line)
            if event is not None:
                self.queue.raise_(event, now)
                if not event.once:
                    self._seen[event.key] = ticks
        self.queue.set_meta(BOOKMARK, text)

    def _over(self, found: dict[str, Event], ticks: float, now: float) -> None:
        """Clear what is not so any more, after a while: a Mac that flaps is one alert."""
        for alert in self.queue.alerts(active=True):
            if alert.source != SOURCE or alert.key in found:
                continue
            if ticks - self._seen.setdefault(alert.key, ticks) < SETTLE_S:
                continue
            if alert.key == REPAIRED and {"guard-failed", "guard-mute"} & found.keys():
                continue
            if alert.key == alert_agent.KEY and not self._answered:
                continue  # This job has just begun, and has no word of the guest yet.
            self.queue.clear(alert.key, now)
            self._raised.pop(alert.key, None)
            self._seen.pop(alert.key, None)

    def _troubled(self) -> list[Event]:
        """Return the hooks that do not work, for the others to tell."""
        found = []
        for hook in self.settings.hooks:
            state = self.queue.hook(hook.name)
            if state["failures"] >= TROUBLED:
                words = f"the hook {hook.name} takes no messages"
                event = Event(
                    f"hook:{hook.name}", "warning", words, state["error"] or "", source=SOURCE
                )
                found.append(event)
        return found

    def _look_at_agent(self, ticks: float, *, asked: bool) -> None:
        if self._agent is not None and self._agent.done():
            said = self._agent.result()
            if said is not None:
                # Else nobody can tell, so what was known still stands.
                self._answered = True
                self._refused = said if isinstance(said, Event) else None
            self._agent = None
        if asked and self._agent is None and ticks - self._asked >= alert_agent.EVERY_S:
            self._asked = ticks
            self._agent = self.pool.submit(alert_agent.look)

    def _settle_hooks(self) -> None:
        """Read the hooks anew when their file has changed; a damaged one leaves those before."""
        there = mark(paths.HOOKS)
        if there == self._read:
            return
        self._read = there
        try:
            self.settings = alert_send.settings()
        except (HookError, OSError) as error:
            sys.stderr.write(f"clawkeep alert: {paths.HOOKS}: {error}\n")
            return
        self.queue.routes = tuple(h.route for h in self.settings.hooks if h.kind != "ping")
        self._raised.clear()
        self.sender.change(
            self.settings.hooks,
            partial(alert_send.deliver, self.settings),
            partial(alert_send.ping, self.settings),
        )


def run() -> int:
    """Run until SIGTERM; one at a time."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    with store.locked(LOCK):
        connection, memory = _connected()
        daemon, tried, said = Daemon(Queue(connection)), 0.0, ""
        while not ending.is_set():
            ticks = time.monotonic()
            try:
                if memory and ticks - tried >= AGAIN_S:
                    tried = ticks
                    _back_to_disk(daemon)
                    memory = False
                daemon.step(ticks)
            except (sqlite3.Error, OSError) as error:
                if str(error) != said:
                    said = str(error)
                    store.limit_errors()
                    sys.stderr.write(f"clawkeep alert: {said}\n")
                if isinstance(error, sqlite3.Error) and not memory:
                    memory, tried = True, ticks
                    _into_memory(daemon, str(error))
            ending.wait(TICK_S)
        with suppress(sqlite3.Error):
            daemon.finish()
    # Threads that still wait for a hook must not keep the job from its end.
    os._exit(0)


def _connected() -> tuple[sqlite3.Connection, bool]:
    """Open the queue; tell whether it is in memory alone."""
    try:
        return connect(paths.ALERTS), False
    except DamagedError as error:
        aside = put_aside(paths.ALERTS)
        store.event("damaged", f"{error}; it is kept as {aside.name}, a new one begins")
        return connect(paths.ALERTS), False
    except sqlite3.OperationalError as error:
        sys.stderr.write(f"clawkeep alert: {paths.ALERTS}: {error}; alerts are kept in memory\n")
        return connect(None), True


def _into_memory(daemon: Daemon, why: str) -> None:
    """Go on with a copy in memory, and say that it is one."""
    memory = connect(None)
    with suppress(sqlite3.Error):
        daemon.queue.db.backup(memory)
    daemon.queue.db.close()
    daemon.queue.db = memory
    words = "alerts cannot be written down; those that wait are lost when the Mac or the job ends"
    daemon.queue.raise_(Event(DISK, "critical", words, why), clock.now())


def _back_to_disk(daemon: Daemon) -> None:
    """Write what is in memory to the queue's file, and go on with that. Raises sqlite3.Error."""
    disk = connect(paths.ALERTS)
    try:
        daemon.queue.db.backup(disk)
    except BaseException:
        disk.close()
        raise
    daemon.queue.db.close()
    daemon.queue.db = disk
    daemon.queue.clear(DISK, clock.now())
