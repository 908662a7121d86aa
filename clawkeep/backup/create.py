"""Makes a backup of what readers send."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

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
from clawkeep.backup.repository import CHUNK, Backup, Repository, Writing


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
    with repository.writing() as writing:
        now = clock()
        name = stamp(now)
        taken = _Taken(writing)
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

    writing: Writing
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
                    taken = _File(entry, self.writing)
                case Begin(entry):
                    yield entry
                case Remark(text, problem):
                    self.skipped += not problem
                    if problem:
                        self._problem(text)
                case Piece(data) if taken:
                    taken.add(data)
                case Again() if taken:
                    taken = _File(taken.entry, self.writing)
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


class _File:
    """A file that comes in pieces."""

    def __init__(self, entry: Entry, writing: Writing) -> None:
        self.entry, self._writing = entry, writing
        self._waiting, self._chunks = bytearray(), list[str]()
        self._size, self._digest = 0, hashlib.sha256()

    def add(self, data: bytes) -> None:
        self._size += len(data)
        self._digest.update(data)
        self._waiting += data
        while len(self._waiting) >= CHUNK:
            with memoryview(self._waiting) as view:
                self._chunks.append(self._writing.add(view[:CHUNK]))
            del self._waiting[:CHUNK]

    def done(self) -> Entry:
        if self._waiting:
            self._chunks.append(self._writing.add(self._waiting))
        return replace(
            self.entry,
            size=self._size,
            sha256=self._digest.hexdigest(),
            chunks=tuple(self._chunks),
        )
