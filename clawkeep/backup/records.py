"""What a reader sends, checked line by line: a guest may send anything, for ever, or nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from clawkeep.backup.errors import BackupError
from clawkeep.backup.manifest import Entry, Kind, Sqlite, unfit
from clawkeep.backup.pipe import LARGEST_PIECE, Source

MOST_PROBLEMS: Final = 1000
PER_RECORD: Final = 256
"""Bytes that a line counts for."""

REMARKS: Final = frozenset({"absent", "failed", "skipped", "unopened"})
KINDS: Final[dict[str, Kind]] = {"file": "file", "folder": "folder", "link": "link"}


@dataclass(frozen=True, slots=True)
class Begin:
    """An entry comes; for a file, its `Piece`s and a `Done` or `Again` follow."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a file's content."""

    data: bytes | bytearray


@dataclass(frozen=True, slots=True)
class Done:
    """The file is complete; `note` says what was wrong with it, if anything."""

    sqlite: Sqlite | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Again:
    """What came of the file does not count: it changed, and comes once more."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is not in the backup; a `problem` if it should be."""

    text: str
    problem: bool


Record = Begin | Piece | Done | Again | Remark


def records(source: Source, who: str, allowed: frozenset[str], most_bytes: int) -> Iterator[Record]:
    """Yield what a reader sends, in order. Raises BackupError for anything else.

    `allowed` are the sources that were asked for. Past `most_bytes` it is an error, and so is not
    to say of each what there is, or that there is nothing.
    """
    silent = set(allowed)
    before: Entry | None = None
    left = most_bytes
    while (data := _object(source, who)).get("k") != "end":
        left = _less(left, PER_RECORD, most_bytes, who)
        if data.get("k") in REMARKS:
            silent.discard(str(data.get("source")))
            yield _remark(data)
            continue
        entry = _entry(data, who, allowed)
        silent.discard(entry.source)
        # In order, each path comes once: nobody needs to remember them all.
        if before and before.source == entry.source and _order(entry) <= _order(before):
            raise BackupError(f"{who}: sent {entry.name!r:.100} out of order")
        before = entry
        yield Begin(entry)
        if entry.kind == "file":
            for record in _content(source, who):
                yield record
                size = len(record.data) if isinstance(record, Piece) else PER_RECORD
                left = _less(left, size, most_bytes, who)
    if silent:
        raise BackupError(f"{who}: said nothing of {', '.join(sorted(silent))}")


def _less(left: int, size: int, most_bytes: int, who: str) -> int:
    """Return what is left of the bytes that may come; names without content count, too."""
    if left < size:
        raise BackupError(
            f"{who}: has more than {most_bytes >> 30} GB to back up; raise `backup.max_gb`, or "
            "leave something out"
        )
    return left - size


def _content(source: Source, who: str) -> Iterator[Piece | Again | Done]:
    """Yield a file's content, up to its end."""
    while (data := _object(source, who)).get("k") != "done":
        size = data.get("n")
        if data.get("k") == "again":
            yield Again()
        elif data.get("k") == "data" and type(size) is int and 0 < size <= LARGEST_PIECE:
            yield Piece(source.piece(size))
        else:
            raise BackupError(f"{who}: sent a file without its end")
    yield Done(_sqlite(data.get("sqlite"), who), _text(data.get("note", "")))


def _order(entry: Entry) -> tuple[str, ...]:
    return tuple(entry.path.split("/")) if entry.path else ()


def _object(source: Source, who: str) -> dict[str, Any]:
    line = source.line()
    try:
        data = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        said = _text(line.decode("utf-8", "replace").strip())
        raise BackupError(f"{who}: ended before its end{': ' + said if said else ''}")
    return data


def _text(value: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(value)[:200])


def _remark(data: dict[str, Any]) -> Remark:
    where = f"{_text(data.get('source', '?'))}:{_text(data.get('path') or '.')}"
    why = _text(data.get("why") or data.get("root", ""))
    match data.get("k"):
        case "absent":
            return Remark(f"{where}: there is no {why}", problem=False)
        case "skipped":
            return Remark(f"{where}: left out, {why}", problem=False)
        case "unopened":
            return Remark(
                f"{where}: SQLite cannot read it ({why}); kept as a plain file", problem=True
            )
        case _:
            return Remark(f"{where}: cannot be read: {why}", problem=True)


def _entry(data: dict[str, Any], who: str, allowed: frozenset[str]) -> Entry:
    kind = KINDS.get(str(data.get("k")))
    mode, mtime = data.get("mode"), data.get("mtime", 0.0)
    source, path, target = data.get("source"), data.get("path"), data.get("target", "")
    if (
        kind is None
        or type(mode) is not int
        or type(mtime) not in {int, float}
        or not (isinstance(source, str) and isinstance(path, str) and isinstance(target, str))
        or source not in allowed
    ):
        raise BackupError(f"{who}: sent what is no record of what was asked for")
    entry = Entry(source, path, kind, mode, float(mtime), target=target)
    if problem := unfit(entry):
        raise BackupError(f"{who}: sent {problem}")
    return entry


def _sqlite(value: object, who: str) -> Sqlite | None:
    if value is None:
        return None
    if isinstance(value, dict):
        check, tables = value.get("check"), value.get("tables")
        if isinstance(check, str) and isinstance(tables, dict):
            counted = {str(n)[:200]: c if type(c) is int else None for n, c in tables.items()}
            return Sqlite(_text(check), counted)
    raise BackupError(f"{who}: sent what SQLite cannot have said")


def stamp(now: float | None = None) -> str:
    """Return the name of a backup made now: its time, and four digits against twins."""
    made = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return f"{made}-{os.urandom(2).hex()}"
