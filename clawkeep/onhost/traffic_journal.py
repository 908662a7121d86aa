"""The traffic journal: root's SQLite file of rows, and how far each log has been read.

Rows, the place in the log that they came from and connections still open are written in one
transaction: whenever the collector is killed, no row is lost or doubled.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from clawkeep.onhost import paths, store
from clawkeep.traffic.counters import Counter, Key
from clawkeep.traffic.rows import Row

SCHEMA = (
    """
    CREATE TABLE rows (
      id INTEGER PRIMARY KEY, time REAL NOT NULL, source TEXT NOT NULL, service TEXT NOT NULL,
      peer TEXT NOT NULL, target TEXT, bytes_in INTEGER, bytes_out INTEGER, duration_ms INTEGER,
      verdict TEXT NOT NULL CHECK (verdict IN ('allowed', 'denied', 'failed', 'report')),
      detail TEXT NOT NULL, count INTEGER NOT NULL);
    CREATE INDEX rows_by_time ON rows (time);
    CREATE INDEX rows_by_service ON rows (source, service, time);
    CREATE TABLE logs (
      device TEXT NOT NULL, inode TEXT NOT NULL, name TEXT NOT NULL, offset INTEGER NOT NULL,
      skipping INTEGER NOT NULL, head INTEGER NOT NULL, hash TEXT NOT NULL, state TEXT NOT NULL,
      PRIMARY KEY (device, inode));
    CREATE TABLE counters (
      anchor TEXT NOT NULL, interface TEXT NOT NULL, label TEXT NOT NULL,
      packets INTEGER NOT NULL, octets INTEGER NOT NULL, mark TEXT NOT NULL,
      PRIMARY KEY (anchor, interface, label));
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
)
"""One entry per version; a journal of an older one gets the entries that it lacks."""

PER_MINUTE = 300
"""Rows that one service may add for one minute; a guest that connects faster is summed up in one
row per verdict, so that it cannot push its own traces out of the journal."""

MANY = "*"
"""Peer of a row that sums up connections."""

COLUMNS = ("time", "source", "service", "peer", "verdict", "target", "bytes_in", "bytes_out",
           "duration_ms", "detail", "count")  # fmt: skip


class JournalError(Exception):
    """The journal cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """How far a log is read: `offset`, `state` of its open connections, and by what it is known.

    An inode's number can be given away again, so the hash of the first `head` bytes counts too.
    """

    name: str
    offset: int = 0
    skipping: bool = False
    head: int = 0
    hash: str = ""
    state: str = ""


File = tuple[str, str]
"""Device and inode."""


class Journal:
    """The open journal; `writing` is the transaction that every change belongs to."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.db = connection
        self._minutes: dict[tuple[str, str, int], int] = {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make what is done inside happen altogether or not at all."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            self._minutes.clear()
            raise
        self.db.execute("COMMIT")

    def add(self, rows: Iterable[Row]) -> int:
        """Add rows; return how many there were. Past `PER_MINUTE` they only count."""
        number = 0
        for row in rows:
            number += 1
            key = (row.source, row.service, int(row.time // 60))
            seen = self._minutes.get(key)
            if seen is None:
                seen = self._seen(row)
            if seen >= PER_MINUTE:
                self._sum_up(row)
            else:
                self._insert(row)
            self._minutes[key] = seen + 1
        if len(self._minutes) > 10_000:
            self._minutes.clear()
        return number

    def _seen(self, row: Row) -> int:
        minute = row.time // 60 * 60
        (count,) = self.db.execute(
            "SELECT count(*) FROM rows WHERE source = ? AND service = ? AND time >= ?"
            " AND time < ? AND peer != ?",
            (row.source, row.service, minute, minute + 60, MANY),
        ).fetchone()
        return int(count)

    def _insert(self, row: Row) -> None:
        self.db.execute(
            f"INSERT INTO rows ({', '.join(COLUMNS)}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
            tuple(getattr(row, name) for name in COLUMNS),
        )

    def _sum_up(self, row: Row) -> None:
        minute = row.time // 60 * 60
        done = self.db.execute(
            "UPDATE rows SET count = count + ?, bytes_in = bytes_in + ?, bytes_out = bytes_out + ?"
            " WHERE source = ? AND service = ? AND time = ? AND peer = ? AND verdict = ?",
            (row.count, row.bytes_in, row.bytes_out, row.source, row.service, minute, MANY,
             row.verdict),
        )  # fmt: skip
        if done.rowcount == 0:
            self._insert(
                Row(minute, row.source, row.service, MANY, row.verdict, bytes_in=row.bytes_in,
                    bytes_out=row.bytes_out, count=row.count,
                    detail=f"more than {PER_MINUTE} in this minute, not noted one by one")
            )  # fmt: skip

    def bookmarks(self) -> dict[File, Bookmark]:
        """Return how far each log is read."""
        rows = self.db.execute(
            "SELECT device, inode, name, offset, skipping, head, hash, state FROM logs"
        )
        return {
            (device, inode): Bookmark(name, offset, bool(skipping), head, digest, state)
            for device, inode, name, offset, skipping, head, digest, state in rows
        }

    def bookmark(self, file: File, mark: Bookmark | None) -> None:
        """Remember how far a log is read; None forgets it."""
        self.db.execute("DELETE FROM logs WHERE device = ? AND inode = ?", file)
        if mark is not None:
            self.db.execute(
                "INSERT INTO logs VALUES (?,?,?,?,?,?,?,?)",
                (*file, mark.name, mark.offset, int(mark.skipping), mark.head, mark.hash,
                 mark.state),
            )  # fmt: skip

    def counters(self) -> dict[Key, Counter]:
        """Return pf's counters as they were last seen."""
        rows = self.db.execute("SELECT anchor, interface, label, packets, octets, mark"
                               " FROM counters")  # fmt: skip
        return {(a, i, label): Counter(p, o, mark) for a, i, label, p, o, mark in rows}

    def remember(self, counters: Mapping[Key, Counter]) -> None:
        """Remember pf's counters."""
        self.db.executemany(
            "INSERT OR REPLACE INTO counters VALUES (?,?,?,?,?,?)",
            [(*key, c.packets, c.octets, c.mark) for key, c in counters.items()],
        )

    def meta(self, key: str) -> str | None:
        """Return a remembered value."""
        found = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


@contextmanager
def journal(path: Path = paths.TRAFFIC) -> Iterator[Journal]:
    """Open the journal, making or upgrading it; a damaged one is put aside.

    Raises JournalError when it is of a newer version or cannot be written.
    """
    try:
        connection = _open(path)
    except sqlite3.OperationalError as error:
        raise JournalError(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        put_aside(path, error)
        connection = _open(path)
    try:
        yield Journal(connection)
    finally:
        connection.close()


def put_aside(path: Path, why: Exception) -> None:
    """Move a damaged journal out of the way; what the logs still hold is read again."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.rename(aside)
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    store.event("damaged", f"{path}: {why}; it is kept as {aside.name}, a new one begins")


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        # Root's alone from its first moment; the files beside it get the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        _check(path, version)
        for number, script in enumerate(SCHEMA[version:], version + 1):
            connection.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(path: Path, version: int) -> None:
    if version > len(SCHEMA):
        raise JournalError(f"{path} is of version {version}, this Clawkeep knows {len(SCHEMA)}")
