"""Messages that wait for hooks, and how each hook stands: its rate, its failures, its pauses.

Between a hook that has taken a message and the note that it has (`sent`) there is a gap that nobody
can close: a sender that is killed there sends the message again, under the same `Message.token`.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from clawkeep.alerts.records import COLUMNS, Alert, Message

MOST = 200
"""Messages that may wait for one hook; the oldest of the least severe ones give way."""

FIRST_S, LONGEST_S = 5.0, 3600.0
"""A hook that fails is tried again after so long, then twice as long each time, up to an hour."""

BURST = 5.0


class Outbox:
    """The messages of an open queue."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.db = connection

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make what is done inside happen altogether or not at all; may be nested."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")
            raise

    def next(self, hook: str, now: float, per_hour: float) -> Message | None:
        """Return what to send to `hook` now: the worst first, of one alert in its order.

        None while nothing waits, while the hook is to be left alone, or past its rate.
        """
        state = self._hook(hook)
        # A clock that was far ahead when it was noted must not silence a hook for ever.
        if now < state["held"] <= now + LONGEST_S or self._tokens(state, now, per_hour) < 1:
            return None
        row = self.db.execute(
            f"SELECT {COLUMNS} FROM messages AS m WHERE hook = ? ORDER BY"  # noqa: S608
            " (SELECT max(rank) FROM messages WHERE hook = m.hook AND key = m.key) DESC, id"
            " LIMIT 1",
            (hook,),
        ).fetchone()
        return None if row is None else replace(Message(*row), dropped=state["dropped"])

    def sent(self, message: Message, now: float, per_hour: float) -> None:
        """Note that its hook has taken a message."""
        with self.writing():
            state = self._hook(message.hook)
            self.db.execute("DELETE FROM messages WHERE id = ?", (message.id,))
            self.db.execute(
                "UPDATE hooks SET sent = ?, failures = 0, error = NULL, held = 0, tokens = ?,"
                " filled = ?, dropped = max(0, dropped - ?) WHERE name = ?",
                (now, self._tokens(state, now, per_hour) - 1, now, message.dropped, message.hook),
            )

    def failed(self, hook: str, why: str, now: float, after_s: float | None = None) -> None:
        """Note that a hook did not take what it was sent: it is tried again, later and later.

        `after_s` is when the hook itself wants to be asked again.
        """
        with self.writing():
            failures = self._hook(hook)["failures"] + 1
            wait = FIRST_S * 2 ** min(failures - 1, 12) if after_s is None else after_s
            self.db.execute(
                "UPDATE hooks SET failures = ?, error = ?, held = ? WHERE name = ?",
                (failures, why, now + min(max(wait, 0.0), LONGEST_S), hook),
            )

    def refused(self, message: Message, why: str) -> None:
        """Note that a hook will never take this message: it is dropped, and counted."""
        with self.writing():
            self._hook(message.hook)
            self.db.execute("DELETE FROM messages WHERE id = ?", (message.id,))
            self.db.execute(
                "UPDATE hooks SET refused = refused + 1, error = ? WHERE name = ?",
                (why, message.hook),
            )

    def ping_due(self, hook: str, state: str, now: float, every_s: float) -> bool:
        """Tell whether a `ping` hook is to be told `state` now: a change is told at once."""
        there = self._hook(hook)
        if now < there["held"] <= now + LONGEST_S:
            return False
        pinged = there["pinged"]
        return pinged is None or there["pinged_state"] != state or not 0 <= now - pinged < every_s

    def pinged(self, hook: str, state: str, now: float) -> None:
        """Note that a hook of kind `ping` was told `state`."""
        with self.writing():
            self._hook(hook)
            self.db.execute(
                "UPDATE hooks SET sent = ?, pinged = ?, pinged_state = ?, failures = 0,"
                " error = NULL, held = 0 WHERE name = ?",
                (now, now, state, hook),
            )

    def waiting(self, hook: str) -> int:
        """Return how many messages wait for a hook."""
        (count,) = self.db.execute(
            "SELECT count(*) FROM messages WHERE hook = ?", (hook,)
        ).fetchone()
        return int(count)

    def hook(self, name: str) -> dict[str, Any]:
        """Return how a hook stands: its last success, its failures, what was dropped."""
        return self._hook(name)

    def _hook(self, name: str) -> dict[str, Any]:
        cursor = self.db.execute("SELECT * FROM hooks WHERE name = ?", (name,))
        row = cursor.fetchone()
        if row is None:
            self.db.execute("INSERT INTO hooks (name) VALUES (?)", (name,))
            return self._hook(name)
        return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}

    @staticmethod
    def _tokens(state: dict[str, Any], now: float, per_hour: float) -> float:
        if state["tokens"] is None:
            return BURST
        passed = now - float(state["filled"])
        if passed < 0:
            return BURST  # The host's clock was taken back: nothing is known of what passed.
        return min(BURST, float(state["tokens"]) + passed * per_hour / 3600)

    def enqueue(self, hook: str, kind: str, alert: Alert, now: float) -> None:
        """Queue a message about `alert` for a hook; a full queue drops the least severe one.

        Of one alert at most two wait: the oldest, which says that it began, and the newest.
        """
        self.db.execute(
            "DELETE FROM messages WHERE hook = ? AND key = ? AND id >"
            " (SELECT min(id) FROM messages WHERE hook = ? AND key = ?)",
            (hook, alert.key, hook, alert.key),
        )
        if self.waiting(hook) >= MOST and not self._make_room(hook, alert.rank):
            return
        self.db.execute(
            "INSERT INTO messages (token, hook, key, kind, severity, rank, text, evidence, since,"
            " count, created) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (secrets.token_hex(6), hook, alert.key, kind, alert.severity, alert.rank, alert.text,
             alert.evidence, alert.since, alert.count, now),
        )  # fmt: skip

    def _make_room(self, hook: str, worth: int) -> bool:
        """Drop the oldest of the least severe messages, or say that the new one is that."""
        oldest, least = self.db.execute(
            "SELECT id, rank FROM messages WHERE hook = ? ORDER BY rank, id LIMIT 1", (hook,)
        ).fetchone()
        self._hook(hook)
        self.db.execute("UPDATE hooks SET dropped = dropped + 1 WHERE name = ?", (hook,))
        if least > worth:
            return False
        self.db.execute("DELETE FROM messages WHERE id = ?", (oldest,))
        return True
