"""The alerts that stand, and the messages about them that no hook has taken yet: one SQLite file.

Every call is one transaction, so whoever is killed loses and doubles nothing in here.

An alert is told to each hook for itself: when it begins, when it gets worse, again after the
hook's `repeat_s` while it lasts, and when it is over (to those that were told of it).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clawkeep.alerts.database import connect
from clawkeep.alerts.event import Event, rank
from clawkeep.alerts.outbox import Outbox
from clawkeep.alerts.records import Alert, Route, Silence, as_severe

MOST_ALERTS = 1000
KEEP_S = 30 * 86400
"""How long an alert that is over is remembered: so long a `once` is not said again, too."""


class Queue(Outbox):
    """The open queue. `now` is always in Unix seconds of one clock that never runs backwards.

    Every method raises sqlite3.Error when the file cannot be read or written (a full disk).
    """

    def __init__(self, connection: sqlite3.Connection, routes: Sequence[Route] = ()) -> None:
        super().__init__(connection)
        self.routes = tuple(routes)

    def raise_(self, event: Event, now: float) -> bool:
        """Note that `event` is so, and queue what the hooks are to be told; True when anything is.

        Raised again while it stands, it is only counted, unless it has got worse or a hook's
        `repeat_s` is over.
        """
        with self.writing():
            there = self.alert(event.key)
            if there is not None and event.once:
                return False
            new = there is None or not there.active
            if not new and there is not None and there.rank > event.rank:
                # Told as the worse one: it stays so until it is over.
                event = as_severe(event, there.severity)
            count = 1 if new or there is None else there.count + 1
            since = now if new or there is None else there.since
            self.db.execute(
                "INSERT OR REPLACE INTO alerts VALUES (?,?,?,?,?,?,?,?,?)",
                (event.key, event.severity, event.text, event.evidence, event.source, since, now,
                 count, int(not event.once)),
            )  # fmt: skip
            if new:
                self.db.execute("DELETE FROM told WHERE key = ?", (event.key,))
            told = 0 if self.silenced(event.key, now) else self._tell(event, since, count, now)
            if new:
                self._forget_old(now)
        return told > 0

    def clear(self, key: str, now: float) -> bool:
        """Note that the alert `key` is over; True when it stood. Hooks that know of it are told."""
        with self.writing():
            there = self.alert(key)
            if there is None or not there.active:
                return False
            self.db.execute("UPDATE alerts SET active = 0, last = ? WHERE key = ?", (now, key))
            knowing = {name for (name,) in
                       self.db.execute("SELECT hook FROM told WHERE key = ?", (key,))}  # fmt: skip
            self.db.execute("DELETE FROM told WHERE key = ?", (key,))
            if not self.silenced(key, now):
                for route in self.routes:
                    if route.name in knowing and route.recovery:
                        self.enqueue(route.name, "recovery", there, now)
        return True

    def _tell(self, event: Event, since: float, count: int, now: float) -> int:
        """Queue the event for every hook that is to hear of it now; return how many."""
        known = {
            hook: (severity, at)
            for hook, severity, at in self.db.execute(
                "SELECT hook, severity, at FROM told WHERE key = ?", (event.key,)
            )
        }
        number = 0
        for route in self.routes:
            if event.rank < rank(route.least) or event.key == f"hook:{route.name}":
                continue
            kind = route.due(event.rank, known.get(route.name), now)
            if kind:
                number += 1
                alert = Alert(event.key, event.severity, event.text, event.evidence, event.source,
                              since, now, count, active=True)  # fmt: skip
                self.enqueue(route.name, kind, alert, now)
                self.db.execute(
                    "INSERT OR REPLACE INTO told VALUES (?,?,?,?)",
                    (event.key, route.name, event.severity, now),
                )
        return number

    def _forget_old(self, now: float) -> None:
        self.db.execute("DELETE FROM alerts WHERE active = 0 AND last < ?", (now - KEEP_S,))
        self.db.execute(
            "DELETE FROM alerts WHERE active = 0 AND key NOT IN"
            " (SELECT key FROM alerts WHERE active = 0 ORDER BY last DESC LIMIT ?)",
            (MOST_ALERTS,),
        )
        names = [route.name for route in self.routes]
        marks = ",".join("?" * len(names))
        # What waits for a hook that is declared no more will never be sent.
        self.db.execute(f"DELETE FROM messages WHERE hook NOT IN ({marks})", names)  # noqa: S608

    def silence(self, silence: Silence) -> None:
        """Tell no hook of the alert of this key until then; `*` is every alert.

        What waits is told after the silence, if it is still so.
        """
        with self.writing():
            for table in ("told", "messages"):
                self.db.execute(
                    f"DELETE FROM {table} WHERE (key, hook) IN (SELECT key, hook FROM messages"  # noqa: S608
                    " WHERE key = ? OR ? = '*')",
                    (silence.key, silence.key),
                )
            self.db.execute(
                "INSERT OR REPLACE INTO silences VALUES (?,?,?,?)",
                (silence.key, silence.until, silence.who, silence.reason),
            )

    def unsilence(self, key: str) -> bool:
        """End a silence; False when there is none."""
        with self.writing():
            return self.db.execute("DELETE FROM silences WHERE key = ?", (key,)).rowcount > 0

    def silenced(self, key: str, now: float) -> bool:
        """Tell whether an alert is silenced."""
        found = self.db.execute(
            "SELECT 1 FROM silences WHERE key IN (?, '*') AND until > ? LIMIT 1", (key, now)
        )
        return found.fetchone() is not None

    def silences(self, now: float) -> list[Silence]:
        """Return the silences that last."""
        rows = self.db.execute(
            "SELECT key, until, who, reason FROM silences WHERE until > ? ORDER BY key", (now,)
        )
        return [Silence(*row) for row in rows]

    def alert(self, key: str) -> Alert | None:
        """Return what is known of an alert, None when it never was."""
        row = self.db.execute("SELECT * FROM alerts WHERE key = ?", (key,)).fetchone()
        return None if row is None else Alert.of(row)

    def alerts(self, *, active: bool) -> list[Alert]:
        """Return the alerts that stand, worst first, or those that are over, newest first."""
        rows = self.db.execute("SELECT * FROM alerts WHERE active = ?", (int(active),))
        found = [Alert.of(row) for row in rows]
        return sorted(found, key=lambda a: (-a.rank, a.since) if active else (0, -a.last))

    def meta(self, key: str) -> str | None:
        """Return a remembered value."""
        found = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value; inside `writing`, together with what it belongs to."""
        with self.writing():
            self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


@contextmanager
def opened(path: Path | None, routes: Sequence[Route] = ()) -> Iterator[Queue]:
    """Open the queue at `path`; see `database.connect`."""
    connection = connect(path)
    try:
        yield Queue(connection, routes)
    finally:
        connection.close()
