"""A backup's manifest: one JSON object a line, for each file, folder and link; then the sum.

It is the content of an encrypted object (`segments`), so no line of it can be taken for another's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from clawkeep.backup.errors import DamageError

Kind = Literal["file", "folder", "link"]
KINDS: Final = ("file", "folder", "link")
LONGEST_LINE: Final = 32 * 1024 * 1024
"""Bytes; a line names each chunk of its file: enough for two terabytes."""

SOURCE: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
LONGEST_PATH: Final = 4096
LATEST: Final = 2.0**36
"""Seconds: the year 4147; not a number is no time, either."""

NEEDED: Final = frozenset({"source", "path"})


@dataclass(frozen=True, slots=True)
class Sqlite:
    """What SQLite said of a copy: `check` is "ok" or its complaint; `tables` counts rows.

    A table that could not be counted has None.
    """

    check: str
    tables: dict[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or link of a source; `path` is relative to the source's root, "" the root.

    `mode` are the permission bits, `size` bytes, `mtime` Unix seconds, `target` where a link leads.
    """

    source: str
    path: str
    kind: Kind
    mode: int
    mtime: float = 0.0
    size: int = 0
    sha256: str = ""
    chunks: tuple[str, ...] = ()
    target: str = ""
    sqlite: Sqlite | None = None

    @property
    def name(self) -> str:
        """Source and path, for messages."""
        return f"{self.source}:{self.path or '.'}"


@dataclass(frozen=True, slots=True)
class Sum:
    """The last line: what was counted, and what could not be had as it should be."""

    files: int = 0
    bytes: int = 0
    skipped: int = 0
    problems: tuple[str, ...] = ()


def lines(entries: Iterable[Entry | Sum]) -> Iterator[bytes]:
    """Yield the manifest's text."""
    for entry in entries:
        kind = {"sum": True} if isinstance(entry, Sum) else {}
        data = {
            name: value
            for name, value in asdict(entry).items()
            if name in NEEDED or value not in ("", None)
        }
        yield json.dumps({**kind, **data}, separators=(",", ":")).encode() + b"\n"


def parse(pieces: Iterable[bytes], name: str) -> Iterator[Entry | Sum]:
    """Yield what the manifest `name` lists; the Sum is last. Raises DamageError."""
    last: Entry | Sum | None = None
    for line in _lines(pieces, name):
        if isinstance(last, Sum):
            raise DamageError(f"{name}: goes on after its end")
        try:
            last = _entry(json.loads(line))
        except (ValueError, TypeError, KeyError) as error:
            raise DamageError(f"{name}: a line of it is none: {error}") from error
        yield last
    if not isinstance(last, Sum):
        raise DamageError(f"{name}: ends too early")


def _lines(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    rest = bytearray()
    for piece in pieces:
        rest += piece
        *whole, tail = rest.split(b"\n")
        yield from map(bytes, whole)
        rest = bytearray(tail)
        if len(rest) > LONGEST_LINE:
            raise DamageError(f"{name}: a line of it has no end")
    if rest:
        raise DamageError(f"{name}: ends in the middle of a line")


def _entry(data: dict[str, Any]) -> Entry | Sum:
    if data.pop("sum", False):
        return Sum(**{**data, "problems": tuple(data.get("problems", ()))})
    sqlite = data.pop("sqlite", None)
    entry = Entry(
        **{
            **data,
            "chunks": tuple(data.get("chunks", ())),
            "sqlite": Sqlite(**sqlite) if sqlite else None,
        }
    )
    if problem := unfit(entry):
        raise ValueError(problem)
    return entry


def unfit(entry: Entry) -> str:
    """Say why an entry can be nobody's, "" when it can: a guest may send anything."""
    parts = entry.path.split("/") if entry.path else []
    if not SOURCE.fullmatch(entry.source) or entry.kind not in KINDS:
        return "an unknown source or kind"
    if not (_name(entry.path) and _name(entry.target)):
        return "an impossible path"
    if any(part in {"", ".", ".."} for part in parts):
        return f"a path that leaves its source: {entry.path!r:.60}"
    if not parts and entry.kind != "folder":
        return "a source that is no folder"
    if not 0 <= entry.mode <= 0o777 or entry.size < 0 or not abs(entry.mtime) < LATEST:
        return "an impossible mode, size or time"
    return ""


def _name(text: str) -> bool:
    """Tell whether a file system could have such a path."""
    try:
        return len(text.encode("utf-8", "surrogateescape")) <= LONGEST_PATH and "\0" not in text
    except UnicodeEncodeError:
        return False
