"""Rows of TCC, macOS's record of what a person allowed. Runs in the guest, on its own Python 3.9.

Sent on stdin with one more line that calls `main`, as the user whose database it is. There is no
tool that grants, so this writes the database, and only where all of it is as it was when that was
tried: System Integrity Protection off, the table of a known form, the program there, and nobody
who said no. Where anything is not so, nothing is written, and a person must press Allow.

Source: reference/macos.md §6; cirruslabs/macos-image-templates scripts/update-tcc-database.sh (the
values; no code requirement); the tables of macOS 14 and 15, and of 26, as published dumps show.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
from typing import Any

DATABASE = "Library/Application Support/com.apple.TCC/TCC.db"
BACKUP = DATABASE + ".clawkeep"
LEDGER = ".config/clawkeep/tcc.json"
"""What was written, so that it can be taken back."""

SIP_OFF = "System Integrity Protection status: disabled."
SEQUOIA = (
    ("service", "TEXT"), ("client", "TEXT"), ("client_type", "INTEGER"), ("auth_value", "INTEGER"),
    ("auth_reason", "INTEGER"), ("auth_version", "INTEGER"), ("csreq", "BLOB"),
    ("policy_id", "INTEGER"), ("indirect_object_identifier_type", "INTEGER"),
    ("indirect_object_identifier", "TEXT"), ("indirect_object_code_identity", "BLOB"),
    ("flags", "INTEGER"), ("last_modified", "INTEGER"), ("pid", "INTEGER"),
    ("pid_version", "INTEGER"), ("boot_uuid", "TEXT"), ("last_reminded", "INTEGER"),
)  # fmt: skip
TAHOE = (*SEQUOIA, ("one_time_reprompt_eligible", "INTEGER"), ("reminder_count", "INTEGER"))
KNOWN = (SEQUOIA, TAHOE)
PATH, BUNDLE, ALLOWED = 1, 0, 2
# A path, never a bundle: what a bundle's row means, its code requirement says.
WHICH = "service = ? and client = ? and client_type = 1 and indirect_object_identifier = ?"


class Refused(Exception):  # noqa: N818 - an outcome
    """Nothing was written; the text says what was not as it must be."""


def connected(home: str) -> sqlite3.Connection:
    """Open the database of a known form. Raises Refused."""
    path = os.path.join(home, DATABASE)
    if not os.path.isfile(path):
        raise Refused("there is no TCC.db; it comes with the user's first login at the screen")
    try:
        said = subprocess.run(
            ["/usr/bin/csrutil", "status"], capture_output=True, text=True, timeout=20, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"csrutil: {error}") from None
    if said.splitlines()[:1] != [SIP_OFF]:
        first = (said.splitlines() or ["csrutil says nothing"])[0]
        raise Refused(f"{first} TCC.db is written only where it is disabled")
    database = sqlite3.connect(path, timeout=5, isolation_level=None)
    try:
        columns = tuple(
            (str(row[1]), str(row[2]).upper())
            for row in database.execute("pragma table_info(access)")
        )
    except sqlite3.Error as error:
        database.close()
        raise Refused(f"TCC.db: {error}") from None
    if columns not in KNOWN:
        database.close()
        raise Refused(f"TCC.db has a table of {len(columns)} columns that is not known")
    return database


def lacking(
    database: sqlite3.Connection, grants: list[tuple[str, str, str]]
) -> list[tuple[str, str, str]]:
    """Return the grants that have no row. Raises Refused where a row says no."""
    found = []
    for grant in grants:
        rows = database.execute(f"select auth_value from access where {WHICH}", grant).fetchall()  # noqa: S608 - a constant
        if not rows:
            found.append(grant)
        elif rows[0][0] != ALLOWED:
            raise Refused(
                f"{grant[0]} is not allowed for {grant[1]}, as somebody decided; "
                "undo it in System Settings"
            )
    return found


def write(home: str, database: sqlite3.Connection, grants: list[tuple[str, str, str]]) -> None:
    """Keep a copy of the database as it was, and add the rows. Raises sqlite3.Error, OSError."""
    backup = os.path.join(home, BACKUP)
    if not os.path.exists(backup):
        with contextlib.suppress(OSError):
            os.unlink(backup + ".new")
        with contextlib.closing(sqlite3.connect(backup + ".new")) as copy:
            database.backup(copy)
        os.chmod(backup + ".new", 0o600)
        os.replace(backup + ".new", backup)
    database.execute("begin immediate")
    for service, client, target in grants:
        kind = None if target == "UNUSED" else BUNDLE
        database.execute(
            "insert into access (service, client_type, client, auth_value, auth_reason, "
            "auth_version, indirect_object_identifier_type, indirect_object_identifier) "
            "values (?, ?, ?, ?, 0, 1, ?, ?)",
            (service, PATH, client, ALLOWED, kind, target),
        )
    database.execute("commit")


def ledger(home: str) -> list[tuple[str, str, str]]:
    """Return what was written before."""
    try:
        with open(os.path.join(home, LEDGER), encoding="utf-8") as file:
            return [(str(a), str(b), str(c)) for a, b, c in json.load(file)]
    except (OSError, ValueError, TypeError):
        return []


def note(home: str, written: list[tuple[str, str, str]]) -> None:
    """Replace the ledger; none when nothing is written."""
    path = os.path.join(home, LEDGER)
    if not written:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(written, file)
    os.replace(path + ".new", path)


def brought(home: str, grants: list[tuple[str, str, str]]) -> tuple[int, int]:
    """Have exactly these rows of ours; return how many were added and taken back.

    Raises Refused, sqlite3.Error, OSError.
    """
    written = ledger(home)
    gone = [grant for grant in written if grant not in grants]
    if not grants and not gone:
        return 0, 0
    for _, client, _ in grants:
        if not os.path.isabs(client) or not os.access(client, os.X_OK):
            raise Refused(f"{client} is no program")
    with contextlib.closing(connected(home)) as database:
        due = lacking(database, grants)
        # First what is about to be ours: a run that is killed knows what to take back.
        note(home, [*written, *(grant for grant in due if grant not in written)])
        if due:
            write(home, database, due)
        for grant in gone:
            database.execute(f"delete from access where {WHICH}", grant)  # noqa: S608 - a constant
    note(home, [g for g in written if g in grants] + [g for g in due if g not in written])
    if due or gone:
        # It keeps what it read; launchd brings a new one.
        subprocess.run(["/usr/bin/killall", "tccd"], capture_output=True, check=False)
    return len(due), len(gone)


def main(text: str) -> None:
    """Have exactly the rows of the JSON list `text`; print what came of it as JSON."""
    grants = [(str(a), str(b), str(c)) for a, b, c in json.loads(text)]
    answer: dict[str, Any] = {"added": 0, "taken": 0, "refused": ""}
    try:
        answer["added"], answer["taken"] = brought(os.path.expanduser("~"), grants)
    except Refused as why:
        answer["refused"] = str(why)
    except (sqlite3.Error, OSError) as error:
        answer["refused"] = f"TCC.db: {error}"
    print(json.dumps(answer), flush=True)
