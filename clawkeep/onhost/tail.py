"""What is new in a log, over rotation, restart and clock: by inode, offset and a hash.

A file is the one that was read if its inode is the same, it is no shorter, and its first bytes and
those before the offset are what they were: an inode's number is given away again, and a log may be
emptied in place. A log that was renamed is first read to its end under its new name, beside the
old one. One whose inode is another is the same when as much of it is (`COPIED` bytes): a disk was
restored. Devices do not count: macOS numbers its volumes anew at each boot (general knowledge).

Times do not matter here, so no clock can lose or double a line. What can: a log that is emptied or
removed before its end was read. That is told (`Piece.lost`).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

BLOCK = 1 << 20
"""Bytes that one call reads at most; also the longest line."""

HEAD = 512
COPIED = 1024
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a log is read: the inode, the offset, and the hash of its first and last bytes."""

    inode: int
    offset: int = 0
    digest: str = ""

    def text(self) -> str:
        """Return it as a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str | None) -> Mark | None:
        """Return what `text` wrote; None for anything else."""
        try:
            values = json.loads(text or "null")
            mark = cls(**values)
        except (ValueError, TypeError):
            return None
        sound = all(type(number) is int and number >= 0 for number in (mark.inode, mark.offset))
        return mark if sound and isinstance(mark.digest, str) else None


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines without their ends, where to read on, whether there is more just now.

    `lost`: lines may be missing before these.
    """

    lines: tuple[bytes, ...]
    mark: Mark | None
    more: bool = False
    lost: bool = False


def read(path: Path, mark: Mark | None, *, block: int = BLOCK) -> Piece:
    """Return what stands in the log at `path` after `mark` (None: from its beginning).

    Follows no link and reads only a regular file under one name: the folder may be somebody
    else's. Raises OSError; a log that is not there is empty.
    """
    with _opened(path) as handle:
        if mark is None:
            return _more(handle, None, block)
        if handle is not None and _continues(handle, mark):
            return _more(handle, mark, block)
        for other in _renamed(path):
            with _opened(other) as older:
                if older is not None and _continues(older, mark):
                    piece = _more(older, mark, block, final=True)
                    # Its writer may still have it open: it is left when nothing was new in it.
                    return piece if piece.lines else _next(path, older, handle, block)
        if handle is not None and _continues(handle, mark, copied=True):
            return _more(handle, mark, block)
        fresh = _more(handle, None, block)
        return Piece(fresh.lines, fresh.mark, fresh.more, lost=mark.offset > 0)


def end(path: Path) -> Mark | None:
    """Return the mark of the log's end as it is now, None when there is no log."""
    with _opened(path) as handle:
        if handle is None:
            return None
        facts = os.fstat(handle)
        return _mark(handle, facts, facts.st_size)


class _opened:  # noqa: N801 - a context manager, used as a function
    """Open a regular file with one name, as a handle; None for what is not there or is none."""

    def __init__(self, path: Path) -> None:
        self.path, self.handle = path, -1

    def __enter__(self) -> int | None:
        try:
            self.handle = os.open(self.path, FLAGS)
        except FileNotFoundError:
            return None
        facts = os.fstat(self.handle)
        return self.handle if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1 else None

    def __exit__(self, *_: object) -> None:
        if self.handle >= 0:
            os.close(self.handle)


def _renamed(path: Path) -> Iterator[Path]:
    """Yield what the log may be called now: its name with something behind it."""
    try:
        names = sorted(os.listdir(path.parent))
    except FileNotFoundError:
        return
    yield from (path.with_name(n) for n in names if n.startswith(f"{path.name}."))


def _next(path: Path, older: int, handle: int | None, block: int) -> Piece:
    """Go on behind a log that is read: in one that was renamed after it, or in the one of today."""
    ended = os.fstat(older)
    later = []
    for other in _renamed(path):
        with _opened(other) as between:
            if between is not None:
                facts = os.fstat(between)
                if facts.st_ino != ended.st_ino and facts.st_mtime_ns > ended.st_mtime_ns:
                    later.append((facts.st_mtime_ns, other))
    for _, other in sorted(later)[:1]:
        with _opened(other) as between:
            return _more(between, None, block, final=True)
    return _more(handle, None, block)


def _continues(handle: int, mark: Mark, *, copied: bool = False) -> bool:
    """Tell whether this is the log of the mark; `copied`: also under another inode."""
    facts = os.fstat(handle)
    same = facts.st_ino == mark.inode or (copied and mark.offset >= COPIED)
    return same and facts.st_size >= mark.offset and _digest(handle, mark.offset) == mark.digest


def _more(handle: int | None, mark: Mark | None, block: int, *, final: bool = False) -> Piece:
    """Return the next lines; with `final` also one that has no end yet."""
    if handle is None:
        return Piece((), None)
    facts = os.fstat(handle)
    offset = mark.offset if mark else 0
    data = os.pread(handle, block, offset)
    whole, newline, rest = data.rpartition(b"\n")
    if not newline and (len(data) == block or (final and rest)):
        whole, newline, rest = rest, b"", b""
    elif final and rest and len(data) < block:
        whole, newline, rest = whole + newline + rest, b"", b""
    elif not newline:
        return Piece((), _mark(handle, facts, offset))
    done = len(whole) + len(newline)
    return Piece(
        tuple(whole.split(b"\n")),
        _mark(handle, facts, offset + done),
        more=offset + done + len(rest) < facts.st_size,
    )


def _mark(handle: int, facts: os.stat_result, offset: int) -> Mark:
    return Mark(facts.st_ino, offset, _digest(handle, offset))


def _digest(handle: int, offset: int) -> str:
    """Return the hash of the first bytes of what is read, and of the last ones."""
    length = min(offset, HEAD)
    if not length:
        return ""
    known = os.pread(handle, length, 0) + os.pread(handle, length, offset - length)
    return hashlib.sha256(known).hexdigest()
