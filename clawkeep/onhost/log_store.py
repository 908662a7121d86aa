"""The host's store of logs: numbered segments of dated lines per source, and one bookmark for all.

How far every log is read and how long each segment is stand in one file, which is replaced at once.
What was appended without it is cut off by the next run and made again: wherever the collector is
killed, no line is lost or doubled. Readers never look beyond the bookmark.

A segment ends with its day or its size, is compressed then, and goes when there are too many: by
number, not by date, so that a clock that was ahead for a moment takes nothing away.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from clawkeep.onhost import store
from clawkeep.onhost.tail import Mark

BOOKMARK = "bookmark.json"
SEGMENT = re.compile(r"(\d{8})\.log(\.gz)?")
SEGMENT_BYTES = 16 << 20
KEEP_SEGMENTS = 30
KEEP_BYTES = 256 << 20
"""Of one source, compressed ones as they lie on the disk."""


@dataclass(frozen=True, slots=True)
class Line:
    """One stored line: when it was written (or came in, `dated` False), of which log, its text."""

    t: float
    log: str
    text: str
    dated: bool = True


@dataclass
class Segment:
    """The segment of a source that is written to: its number, its valid length, its day."""

    number: int = 1
    length: int = 0
    day: int = 0


@dataclass
class Bookmark:
    """How far the logs are read and the segments are written; `flow` is (hour, bytes) by source."""

    marks: dict[str, str] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    flow: dict[str, tuple[int, int]] = field(default_factory=dict)

    def mark(self, log: str) -> Mark | None:
        """Return how far a log is read."""
        return Mark.parse(self.marks.get(log))


class Store:
    """The store in `folder`. One writer at a time, who holds a lock; readers need none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def bookmark(self) -> Bookmark:
        """Return the bookmark; an empty one before the first run. Raises ValueError if damaged."""
        text = store.read(self.folder / BOOKMARK)
        if text is None:
            return Bookmark()
        try:
            data = json.loads(text)
            segments = {name: Segment(**values) for name, values in data["segments"].items()}
            flow = {name: (int(hour), int(size)) for name, (hour, size) in data["flow"].items()}
            return Bookmark(dict(data["marks"]), segments, flow)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{self.folder / BOOKMARK} is damaged: {error}") from error

    def behind(self) -> dict[str, Segment]:
        """Return segments behind all that are there: for when the bookmark is gone."""
        found = [path.name for path in self.folder.iterdir() if path.is_dir()]
        return {source: Segment(max(self._numbers(source), default=0) + 1) for source in found}

    def append(self, mark: Bookmark, source: str, lines: Iterable[Line], day: int) -> int:
        """Append lines to the source's segment; return their bytes. They count when committed.

        `day` is the number of today; a new one begins a new segment. Raises OSError.
        """
        data = b"".join(_encoded(line) for line in lines)
        segment = mark.segments.setdefault(source, Segment(day=day))
        full = segment.length >= SEGMENT_BYTES or (segment.day != day and segment.length)
        if data and full:
            segment.number, segment.length = segment.number + 1, 0
        segment.day = day
        path = self._path(source, segment.number)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path, flags, 0o600)
        try:
            # What a run that was killed has left behind its bookmark.
            os.ftruncate(handle, segment.length)
            done = 0
            while done < len(data):
                done += os.pwrite(handle, data[done:], segment.length + done)
            os.fsync(handle)
        finally:
            os.close(handle)
        segment.length += len(data)
        return len(data)

    def commit(self, mark: Bookmark) -> None:
        """Make all that was appended count, together with how far the logs were read."""
        store.write(self.folder / BOOKMARK, json.dumps(asdict(mark)) + "\n", 0o600)

    def tidy(self, mark: Bookmark) -> None:
        """Compress the segments that are closed, and remove the oldest of too many."""
        for source, current in mark.segments.items():
            closed = [n for n in self._numbers(source) if n < current.number]
            for number in closed:
                _compress(self._path(source, number))
            sizes = {n: self._size(source, n) for n in closed}
            while closed and (len(closed) >= KEEP_SEGMENTS or sum(sizes.values()) > KEEP_BYTES):
                gone = closed.pop(0)
                del sizes[gone]
                for path in self._either(source, gone):
                    path.unlink(missing_ok=True)

    def lines(self, mark: Bookmark, source: str, since: Mapping[str, Any] | None) -> Iterator[Any]:
        """Yield (place, line) of a source from a place on, oldest first; see `place`."""
        current = mark.segments.get(source)
        if current is None:
            return
        begin = since or {"n": 0, "o": 0}
        for number in [n for n in self._numbers(source) if n <= current.number]:
            if number < begin["n"]:
                continue
            offset = begin["o"] if number == begin["n"] else 0
            limit = current.length if number == current.number else None
            for end, line in self._read(source, number, offset, limit):
                yield {"n": number, "o": end}, line

    @staticmethod
    def place(mark: Bookmark, source: str) -> dict[str, int]:
        """Return the place behind the last line of a source."""
        current = mark.segments.get(source, Segment())
        return {"n": current.number, "o": current.length}

    def _read(
        self, source: str, number: int, offset: int, limit: int | None
    ) -> Iterator[tuple[int, Line]]:
        path, packed = self._path(source, number), self._path(source, number, ".gz")
        with (
            suppress(FileNotFoundError, EOFError, gzip.BadGzipFile),
            _opened(path, packed) as file,
        ):
            file.seek(offset)
            for data in file:
                offset += len(data)
                if limit is not None and offset > limit:
                    return
                line = _decoded(data)
                if line is not None:
                    yield offset, line

    def _numbers(self, source: str) -> list[int]:
        try:
            names = os.listdir(self.folder / source)
        except FileNotFoundError:
            return []
        return sorted({int(match[1]) for name in names if (match := SEGMENT.fullmatch(name))})

    def _path(self, source: str, number: int, end: str = "") -> Path:
        return self.folder / source / f"{number:08d}.log{end}"

    def _either(self, source: str, number: int) -> tuple[Path, Path]:
        return self._path(source, number), self._path(source, number, ".gz")

    def _size(self, source: str, number: int) -> int:
        return sum(p.stat().st_size for p in self._either(source, number) if p.exists())


def _opened(path: Path, packed: Path) -> BinaryIO | gzip.GzipFile:
    """Open a segment, whichever it is by now: a collector may compress it at this moment."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        return gzip.open(packed, "rb")


def _compress(path: Path) -> None:
    """Replace a closed segment by a compressed one; the plain one goes last."""
    if not path.exists():
        return
    packed = path.with_name(f"{path.name}.gz")
    new = path.with_name(f".{packed.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file, path.open("rb") as plain:
            while data := plain.read(1 << 20):
                file.write(data)
        raw.flush()
        os.fsync(raw.fileno())
    new.replace(packed)
    path.unlink()


def _encoded(line: Line) -> bytes:
    values: dict[str, Any] = {"t": round(line.t, 6), "l": line.log, "x": line.text}
    if not line.dated:
        values["d"] = 0
    return json.dumps(values, ensure_ascii=False).encode(errors="replace") + b"\n"


def _decoded(data: bytes) -> Line | None:
    try:
        values = json.loads(data)
        return Line(float(values["t"]), str(values["l"]), str(values["x"]), "d" not in values)
    except (ValueError, TypeError, KeyError):
        return None
