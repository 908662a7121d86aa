"""The queue's file: its tables, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

SCHEMA = (
    """
    CREATE TABLE alerts (
      key TEXT PRIMARY KEY, severity TEXT NOT NULL, text TEXT NOT NULL, evidence TEXT NOT NULL,
      source TEXT NOT NULL, since REAL NOT NULL, last REAL NOT NULL, count INTEGER NOT NULL,
      active INTEGER NOT NULL);
    CREATE TABLE told (
      key TEXT NOT NULL, hook TEXT NOT NULL, severity TEXT NOT NULL, at REAL NOT NULL,
      PRIMARY KEY (key, hook));
    CREATE TABLE messages (
      id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, hook TEXT NOT NULL,
      key TEXT NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL, rank INTEGER NOT NULL,
      text TEXT NOT NULL, evidence TEXT NOT NULL, since REAL NOT NULL, count INTEGER NOT NULL,
      created REAL NOT NULL);
    CREATE INDEX messages_by_hook ON messages (hook, rank, id);
    CREATE TABLE hooks (
      name TEXT PRIMARY KEY, sent REAL, failures INTEGER NOT NULL DEFAULT 0, error TEXT,
      held REAL NOT NULL DEFAULT 0, tokens REAL, filled REAL NOT NULL DEFAULT 0,
      dropped INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,
      pinged REAL, pinged_state TEXT);
    CREATE TABLE silences (
      key TEXT PRIMARY KEY, until REAL NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL);
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
)
"""One entry per version; a queue of an older one gets the entries that it lacks."""


class DamagedError(Exception):
    """The file is no queue, or of a newer version; the text says so."""


def connect(path: Path | None) -> sqlite3.Connection:
    """Return a connection to the queue at `path`, made or upgraded; None is one in memory.

    Raises DamagedError for a file that is none, sqlite3.OperationalError when it cannot be had.
    """
    if path is not None:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            # Root's alone from its first moment; the files beside it get the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    connection = sqlite3.connect(
        ":memory:" if path is None else path, timeout=10, isolation_level=None
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # A message that was queued outlives a power cut, too.
        connection.execute("PRAGMA synchronous = FULL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        _check(path, version)
        for number, script in enumerate(SCHEMA[version:], version + 1):
            connection.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        raise DamagedError(f"{path}: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def put_aside(path: Path) -> Path:
    """Move a damaged queue out of the way; return where it is kept."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.rename(aside)
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    return aside


def _check(path: Path | None, version: int) -> None:
    if version > len(SCHEMA):
        raise DamagedError(f"{path} is of version {version}, this Clawkeep knows {len(SCHEMA)}")
