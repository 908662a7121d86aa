"""Keeps the overview: one thread asks, however many readers there are, and only while there are.

Readers get what was learned last, at once. Who wants it no older than the interval waits for the
ask that is under way, or has one begun: n of them wait for the same one.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from clawkeep import state
from clawkeep.agent.report import span
from clawkeep.model import Keep
from clawkeep.overview.aside import Aside, Change, failed
from clawkeep.overview.ask import NoAnswerError, ask_host, parsed
from clawkeep.overview.sources import (
    SOURCES,
    STATUS,
    UNDONE,
    UNSAID,
    Answer,
    Overview,
    Source,
)
from clawkeep.remote import Outcome
from clawkeep.status.gather import gather as gather_status
from clawkeep.status.report import Report
from clawkeep.target import Target
from clawkeep.transport import HostSession, TransportError

SLACK_S: Final = 60.0
READER_S: Final = 120.0
"""For so long after somebody has read it goes on by itself."""

Gather = Callable[[Overview], Overview]
"""Returns the overview after one more ask of all that is due; never raises."""


def gather(keep: Keep, target: Target, folder: Path, *, aside: bool = True) -> Gather:
    """Return what asks `target` for all sources; `folder` holds private CA files.

    Without `aside` those that nobody waits for are not asked at all.
    """
    slow = Aside(keep, target)

    def one(last: Overview) -> Overview:
        began = time.time()
        due = [source for source in SOURCES if _due(source, last.of(source.name), began)]
        if aside:
            slow.begin([source.name for source in due if source.aside])
        with ThreadPoolExecutor(2) as pool:
            status = pool.submit(_as_json, lambda: gather_status(keep, target, folder))
            host = pool.submit(_host, target, [source for source in due if source.host])
            changes = _kept(keep, target, [source for source in due if source.kept])
            found = _status(last, status)
            changes |= host.result() | slow.ended()
        found |= {name: change(last.of(name)) for name, change in changes.items()}
        answers = {**(last.answers or {}), **found}
        error = answers[STATUS].error
        return Overview(target.name, answers, began, time.time(), error)

    return one


def _due(source: Source, answer: Answer, now: float) -> bool:
    if answer.asked is None or (answer.error and not source.kept):
        return True
    # A clock that was set back must not keep it quiet.
    return not 0 <= now - answer.asked < source.every_s


def _as_json(ask: Callable[[], Report]) -> dict[str, Any]:
    """Return exactly what `clawkeep status --json` prints: lists, and no tuples."""
    data: dict[str, Any] = json.loads(json.dumps(ask().as_json()))
    return data


def _status(last: Overview, future: Future[dict[str, Any]]) -> dict[str, Answer]:
    """Return the status and what is within it."""
    try:
        data = future.result()
        error = str(data.get("host_error") or "")
    except Exception as broken:  # noqa: BLE001 - whatever a machine does, the page must go on
        data, error = {}, f"{type(broken).__name__}: {broken}"
    now = time.time()
    inner = {source.name: _within(data, source) for source in SOURCES if source.within}
    if error:
        # The last good one stays: a report without a host says nothing but that.
        return {name: last.of(name).failed(error, now) for name in (STATUS, *inner)}
    parts = {
        name: Answer(part, now, "", now) if part else Answer().failed(UNSAID, now)
        for name, part in inner.items()
    }
    return {STATUS: Answer(data, now, "", now), **parts}


def _within(data: Any, source: Source) -> Any:
    for name in source.within.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _host(target: Target, sources: list[Source]) -> dict[str, Change]:
    try:
        session = HostSession(target)
        try:
            outcomes = ask_host(session, sources)
        finally:
            session.close()
    except (TransportError, OSError) as error:
        return {source.name: failed(str(error)) for source in sources}
    return {
        source.name: _answer(source, outcomes[source.name])
        if source.name in outcomes
        else failed("its answer was too long, or cut off")
        for source in sources
    }


def _kept(keep: Keep, target: Target, sources: list[Source]) -> dict[str, Change]:
    """Read what this machine's own verbs have kept."""
    found = {}
    for source in sources:
        try:
            path = state.folder(target.name, keep.guest.name) / source.kept
            found[source.name] = _answer(source, Outcome(0, path.read_text("utf-8"), ""))
        except FileNotFoundError:
            found[source.name] = failed(f"`{source.command}` {UNDONE}")
        except (OSError, UnicodeDecodeError) as error:
            found[source.name] = failed(str(error))
    return found


def _answer(source: Source, outcome: Outcome) -> Change:
    try:
        data, now = parsed(source, outcome), time.time()
    except NoAnswerError as error:
        return failed(str(error))
    return lambda _: Answer(data, now, "", now)


def _all_failed(last: Overview, why: str) -> Overview:
    answers: Mapping[str, Answer] = last.answers or {}
    old = {name: answer.failed(why, time.time()) for name, answer in answers.items()}
    return replace(last, answers=old, error=why)


class Gatherer:
    """Asks by `gather` at most every `interval_s` seconds, in a thread of its own."""

    def __init__(self, gather: Gather, interval_s: float, overview: Overview | None = None) -> None:
        self.interval_s = interval_s
        self._gather = gather
        self._overview = overview or Overview()
        self._news = threading.Condition()
        self._read: float | None = None
        self._ended: float | None = None
        self._moment = 0.0
        self._busy = self._over = False
        self._thread = threading.Thread(target=self._run, name="gatherer", daemon=True)

    def start(self) -> None:
        """Begin; the first ask waits for the first reader."""
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> bool:
        """End after the ask that is under way; tell whether it ended in time."""
        with self._news:
            self._over = True
            self._news.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def busy(self) -> bool:
        """Whether an ask is under way."""
        return self._busy

    def read(self, wait_s: float = 0.0) -> Overview:
        """Return the overview; wait at most `wait_s` seconds for one younger than the interval.

        What is still older then is marked as that, answer by answer, if it is as old as nothing can
        be that is asked again and again: nobody has read for long, or the host hangs.
        """
        found = self._latest(wait_s)
        age = self._age()
        if age is None or age < 2 * self.interval_s + SLACK_S:
            return found
        return _all_failed(found, f"the last ask ended {span(age)} ago")

    def _latest(self, wait_s: float) -> Overview:
        end = time.monotonic() + wait_s
        with self._news:
            self._read = time.monotonic()
            self._news.notify_all()
            while self._stale() and not self._over and (left := end - time.monotonic()) > 0:
                self._news.wait(left)
            return self._overview

    def _age(self) -> float | None:
        """Return the seconds since the last ask, also those that this machine has slept."""
        if self._ended is None:
            return None
        return max(time.monotonic() - self._ended, time.time() - self._moment)

    def _stale(self) -> bool:
        age = self._age()
        return age is None or age >= self.interval_s

    def _run(self) -> None:
        while True:
            with self._news:
                while not self._over and not (self._wanted() and self._stale()):
                    self._news.wait(self._left())
                if self._over:
                    return
                self._busy = True
                last = self._overview
            found = self._one(last)
            with self._news:
                self._overview, self._busy = found, False
                self._ended, self._moment = time.monotonic(), time.time()
                self._news.notify_all()

    def _one(self, last: Overview) -> Overview:
        try:
            return self._gather(last)
        except Exception as error:  # noqa: BLE001 - a thread that died would show old data for ever
            why = f"asking failed: {type(error).__name__}: {error}"
            return _all_failed(last, why)

    def _wanted(self) -> bool:
        return self._read is not None and time.monotonic() - self._read < READER_S

    def _left(self) -> float | None:
        """Return for how long nothing is to be done, None: until somebody reads."""
        age = self._age()
        if not self._wanted() or age is None:
            return None
        return max(0.01, self.interval_s - age)
