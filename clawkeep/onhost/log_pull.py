"""Pulls what is new in every log into the store: dated, without colours and secrets."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from clawkeep.alerts import Event, HookError
from clawkeep.alerts.queue import opened
from clawkeep.onhost import alert_send, clock, guest_state, log_sources, paths, store, tail, world
from clawkeep.onhost.log_sources import Log
from clawkeep.onhost.log_store import Bookmark, Line, Store
from clawkeep.policy import PolicyError
from clawkeep.redact import ANSI, Redactor

FOLDER = paths.STATE / "logs"
LOCK = paths.RUN / "logs.lock"

LONGEST = 8192
"""Characters of a line that are kept."""

BLOCKS = 64
"""Pieces of one log that one run reads; the next run goes on from there."""

FLOOD_BYTES = 20 << 20
"""Bytes in an hour from which a source is a flood: NanoClaw 1.1 wrote 290 MB a day without a login
(reference/nanoclaw.md §2.2), so that is far above."""

GUEST_S = 15.0
FIRST_AGO_S = 86_400
PLACE = re.compile(r"\d{1,12}:\d{1,18}")
PROGRAM = ["/usr/bin/python3", "-I", "/usr/local/clawkeep/libexec/logs.py", "show"]

Guest = Callable[[list[str]], str]
"""Runs the guest's program with these arguments and returns what it printed."""


@dataclass
class Pulled:
    """What a run did: lines by source, sources in flood, and what could not be read."""

    lines: dict[str, int] = field(default_factory=dict)
    floods: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def pull(
    folder: Path = FOLDER, logs: Iterable[Log] | None = None, guest: Guest | None = None
) -> Pulled:
    """Bring the store up to date; hold `LOCK` around it.

    One log that cannot be read does not keep the others from it. Raises OSError for the store.
    """
    kept, done = Store(folder), Pulled()
    try:
        mark = kept.bookmark()
    except ValueError as error:
        done.problems.append(f"{error}; the logs are read again from their beginning")
        mark = Bookmark(segments=kept.behind())
    puller = _Puller(kept, mark, done)
    for log in log_sources.logs() if logs is None else logs:
        puller.read(log)
    puller.read_agent(guest or _guest)
    kept.tidy(mark)
    return done


class _Puller:
    def __init__(self, kept: Store, mark: Bookmark, done: Pulled) -> None:
        self.kept, self.mark, self.done = kept, mark, done
        self.now = clock.now()
        self.redactor = Redactor(_secrets())

    def read(self, log: Log) -> None:
        """Store what is new in a log; each piece counts together with the place behind it."""
        key = str(log.path)
        try:
            for _ in range(BLOCKS):
                before = self.mark.marks.get(key)
                piece = tail.read(log.path, self.mark.mark(key))
                after = piece.mark.text() if piece.mark else None
                if after == before:
                    return
                lines = [self._line(log, data) for data in piece.lines]
                if piece.lost:
                    note = "clawkeep: lines may be missing here: the log was emptied or removed"
                    lines.insert(0, Line(self.now, log.name, note, dated=False))
                self._keep(log.source, lines)
                self.mark.marks.pop(key, None)
                if after is not None:
                    self.mark.marks[key] = after
                self.kept.commit(self.mark)
        except OSError as error:
            self.done.problems.append(f"{log.path}: {error.strerror or error}")

    def read_agent(self, guest: Guest) -> None:
        """Store what the guest's log job has cleaned since the last time."""
        place = self.mark.marks.get("agent", "")
        start = ["--place", place] if PLACE.fullmatch(place) else ["--ago", str(FIRST_AGO_S)]
        lines = []
        for row in guest(start).splitlines():
            try:
                said = json.loads(row)
                text, found = str(said["x"]), str(said["p"])
                moment = log_sources.iso(str(said["t"]))
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
            if not PLACE.fullmatch(found):
                continue
            place = found
            name = "nanoclaw.err" if said.get("s") == "err" else "nanoclaw"
            shown = self._clean(text.encode(errors="replace"))
            dated = moment is not None
            lines.append(Line(moment if moment is not None else self.now, name, shown, dated))
        if lines:
            self._keep("agent", lines)
            self.mark.marks["agent"] = place
            self.kept.commit(self.mark)

    def _line(self, log: Log, data: bytes) -> Line:
        moment, text = log.dated(self._clean(data))
        dated = moment is not None
        return Line(moment if moment is not None else self.now, log.name, text, dated)

    def _clean(self, data: bytes) -> str:
        text = self.redactor.redact(ANSI.sub(b"", data)).decode(errors="replace")
        shown = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
        return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} … ({len(shown)} characters)"

    def _keep(self, source: str, lines: list[Line]) -> None:
        size = self.kept.append(self.mark, source, lines, int(self.now // 86400))
        self.done.lines[source] = self.done.lines.get(source, 0) + len(lines)
        hour = int(self.now // 3600)
        then, before = self.mark.flow.get(source, (hour, 0))
        total = size + (before if then == hour else 0)
        self.mark.flow[source] = hour, total
        if total >= FLOOD_BYTES and source not in self.done.floods:
            self.done.floods.append(source)


def _secrets() -> list[tuple[str, str]]:
    """Return the secrets that root itself knows: the secret parts of the hooks' addresses."""
    try:
        hooks = alert_send.settings().hooks
    except (HookError, OSError):
        return []
    found = [(f"{h.name}-address", urlsplit(h.url).path.strip("/")) for h in hooks if h.url]
    return found + [(f"{h.name}-token", h.token) for h in hooks if h.token]


def _guest(start: list[str]) -> str:
    try:
        policy = world.policy()
        if world.link() is None:
            return ""
        return guest_state.run(policy, [*PROGRAM, *start], "", GUEST_S)
    except (PolicyError, OSError, subprocess.SubprocessError):
        return ""


def tell(done: Pulled) -> None:
    """Raise an alert for each source in flood, and clear those that are over. Never raises."""
    now = clock.now()
    try:
        with opened(paths.ALERTS, alert_send.routes()) as queue:
            for source in log_sources.SOURCES:
                key = f"log-flood:{source}"
                if source in done.floods:
                    words = f"{source} writes more than {FLOOD_BYTES >> 20} MB an hour"
                    queue.raise_(Event(key, "warning", words, f"clawkeep logs {source}"), now)
                elif queue.alert(key) is not None:
                    queue.clear(key, now)
    except (sqlite3.Error, HookError, OSError) as error:
        store.event("damaged", f"alerts: {error}")
