"""Makes a backup of what readers send."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from clawkeep.backup.errors import BackupError
from clawkeep.backup.manifest import Entry, Sum
from clawkeep.backup.records import (
    MOST_PROBLEMS,
    Again,
    Begin,
    Done,
    Piece,
    Record,
    Remark,
    stamp,
)
from clawkeep.backup.repository import CHUNK, Backup, Repository, Sealed, Writing

UNDER_WAY = 2
"""Chunks that are sealed while the next is read."""


class Digest(Protocol):
    """A hash that takes its input in pieces, as hashlib's do."""

    def update(self, data: memoryview, /) -> None:
        """Take some more."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made, what is wrong with it, and how far it repeats what was there."""

    backup: Backup
    problems: tuple[str, ...]
    skipped: int


def create(
    repository: Repository,
    feed: Callable[[], Iterable[Record]],
    sources: Iterable[str],
    *,
    clock: Callable[[], float] = time.time,
) -> Made:
    """Back up what `feed` sends, all of it or nothing: only the last step makes it a backup.

    Killed before, the chunks that were written are found again by the next one. `feed` is called
    when nobody else can write. Raises BackupError, OSError.
    """
    with repository.writing() as writing, ThreadPoolExecutor(1) as pool:
        now = clock()
        name = stamp(now)
        taken = _Taken(_Sealing(writing, pool))
        digest = writing.manifest(name, taken.entries(feed()))
        the_sum = taken.sum()
        backup = Backup(
            name, now, digest, the_sum.files, the_sum.bytes, writing.added,
            len(the_sum.problems), tuple(sources),
        )  # fmt: skip
        writing.commit([*writing.catalogue.backups, backup])
        return Made(backup, the_sum.problems, the_sum.skipped)


@dataclass
class _Taken:
    """What was taken in so far."""

    sealing: _Sealing
    files: int = 0
    bytes: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)

    def entries(self, records: Iterable[Record]) -> Iterator[Entry | Sum]:
        """Store what comes, and yield the manifest's entries."""
        taken: _File | None = None
        for record in records:
            match record:
                case Begin(entry) if entry.kind == "file":
                    taken = _File(entry, self.sealing)
                case Begin(entry):
                    yield entry
                case Remark(text, problem):
                    self.skipped += not problem
                    if problem:
                        self._problem(text)
                case Piece(data) if taken:
                    taken.add(data)
                case Again() if taken:
                    taken.dropped()
                    taken = _File(taken.entry, self.sealing)
                case Done() if taken:
                    yield self._file(taken.done(), record)
                    taken = None
                case _:
                    raise BackupError("content came that belongs to no file")
        yield self.sum()

    def _file(self, entry: Entry, done: Done) -> Entry:
        """Count a file that came to its end."""
        if done.note:
            self._problem(f"{entry.name}: {done.note}")
        if done.sqlite and done.sqlite.check != "ok":
            self._problem(f"{entry.name}: SQLite finds it damaged: {done.sqlite.check}")
        self.files += 1
        self.bytes += entry.size
        return replace(entry, sqlite=done.sqlite)

    def _problem(self, text: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(text)

    def sum(self) -> Sum:
        """Return what was counted."""
        return Sum(self.files, self.bytes, self.skipped, tuple(self.problems))


class _Sealing:
    """Names and seals chunks beside the reading, one after the other.

    What it needs of memory does not grow: there are so many chunks under way at the most, whose
    buffers are used again. One thread: the hash of a file takes its chunks in their order.
    """

    def __init__(self, writing: Writing, pool: Executor) -> None:
        self._writing, self._pool = writing, pool
        self._under_way: deque[tuple[Future[Sealed], bytearray, list[str]]] = deque()
        self._free = [bytearray(CHUNK) for _ in range(UNDER_WAY + 1)]

    def buffer(self) -> bytearray:
        """Return a buffer for a chunk."""
        if not self._free:
            self._store()
        return self._free.pop()

    def seal(self, buffer: bytearray, size: int, digest: Digest, names: list[str]) -> None:
        """Have the chunk of the first bytes of a buffer; its name is added to `names` later."""
        job = self._pool.submit(self._sealed, buffer, size, digest)
        self._under_way.append((job, buffer, names))

    def settle(self) -> None:
        """Return when all that was given is stored. Raises BackupError."""
        while self._under_way:
            self._store()

    def give_back(self, buffer: bytearray) -> None:
        """Take a buffer back that was not sealed."""
        self._free.append(buffer)

    def _sealed(self, buffer: bytearray, size: int, digest: Digest) -> Sealed:
        with memoryview(buffer) as view:
            digest.update(view[:size])
            return self._writing.sealed(view[:size])

    def _store(self) -> None:
        job, buffer, names = self._under_way.popleft()
        names.append(self._writing.add(job.result()))
        self._free.append(buffer)


class _File:
    """A file that comes in pieces."""

    def __init__(self, entry: Entry, sealing: _Sealing) -> None:
        self.entry, self._sealing = entry, sealing
        self._buffer, self._filled = sealing.buffer(), 0
        self._names, self._size, self._digest = list[str](), 0, hashlib.sha256()

    def add(self, data: bytes | bytearray) -> None:
        with memoryview(data) as rest:
            at = 0
            while at < len(rest):
                count = min(CHUNK - self._filled, len(rest) - at)
                end = self._filled + count
                self._buffer[self._filled : end] = rest[at : at + count]
                self._filled, at = end, at + count
                if end == CHUNK:
                    self._seal()
                    self._buffer = self._sealing.buffer()
        self._size += len(data)

    def _seal(self) -> None:
        self._sealing.seal(self._buffer, self._filled, self._digest, self._names)
        self._filled = 0

    def done(self) -> Entry:
        if self._filled:
            self._seal()
        else:
            self._sealing.give_back(self._buffer)
        self._sealing.settle()
        return replace(
            self.entry,
            size=self._size,
            sha256=self._digest.hexdigest(),
            chunks=tuple(self._names),
        )

    def dropped(self) -> None:
        """Forget what came: it comes once more."""
        self._sealing.settle()
        self._sealing.give_back(self._buffer)
