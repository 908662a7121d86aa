"""A repository of backups.

    config                 how the key opens it
    chunks/ab/abcd…        pieces of files, named by their content, each written once
    manifests/<backup>     what a backup consists of
    catalogue              which backups there are, with the hash of each manifest

A backup exists when the catalogue says so: that is replaced last, at once, by the one writer that
holds the lock. Whatever a writer that was killed left behind belongs to no backup; its chunks are
found again by the next one, and prune removes what nobody uses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from clawkeep.backup import keys as _keys
from clawkeep.backup import manifest, segments
from clawkeep.backup.errors import BackupError, DamageError, MissingError
from clawkeep.backup.keys import CHUNK_OVERHEAD, Keys
from clawkeep.backup.manifest import Entry, Sum
from clawkeep.backup.segments import Readable
from clawkeep.backup.storage import Storage

CHUNK: Final = 4 * 1024 * 1024
"""Bytes of a whole chunk. Pieces are cut at multiples of it: a database changes in place."""

CONFIG, CATALOGUE, CHUNKS, MANIFESTS = "config", "catalogue", "chunks", "manifests"
LARGEST_CONFIG: Final = 64 * 1024
LARGEST_CATALOGUE: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup, as the catalogue has it; `digest` is the SHA-256 of its stored manifest."""

    name: str
    time: float
    digest: str
    files: int
    bytes: int
    added: int
    problems: int
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The backups, oldest first; `generation` grows with each change, and never shrinks."""

    generation: int = 0
    backups: tuple[Backup, ...] = ()

    def get(self, name: str) -> Backup:
        """Return a backup by its name or the beginning of it, or the newest for "latest"."""
        if not self.backups:
            raise BackupError("there is no backup yet; run: clawkeep backup create")
        found = [b for b in self.backups if b.name.startswith(name)]
        if name == "latest":
            return self.backups[-1]
        if len(found) != 1:
            why = "several are" if found else "none is"
            raise BackupError(f"{why} called {name}; `clawkeep backup list` lists them")
        return found[0]


def chunk_name(chunk: str) -> str:
    """Return the name of a chunk's object."""
    return f"{CHUNKS}/{chunk[:2]}/{chunk}"


@dataclass
class Repository:
    """An open repository."""

    storage: Storage
    keys: Keys
    there: dict[bytes, int] = field(default_factory=dict)
    """Size of each chunk that is there; known while we are the only writer."""

    @classmethod
    def open(cls, storage: Storage, key: str) -> Repository:
        """Open a repository. Raises MissingError when there is none, WrongKeyError, DamageError."""
        return cls(storage, _keys.opened(storage.read(CONFIG, LARGEST_CONFIG), key))

    @classmethod
    def create(cls, storage: Storage, key: str, **options: Any) -> Repository:
        """Make a repository in a place that holds none; nothing in there is ever overwritten."""
        with storage.locked():
            if any(name != "lock" for name, _ in _anything(storage)):
                raise BackupError(
                    f"{storage.place} holds something, but no `config` of a repository: take an "
                    "empty folder, or put `config` back"
                )
            storage.write(CONFIG, [_keys.new_config(key, **options)])
            storage.settle()
        return cls.open(storage, key)

    def catalogue(self) -> Catalogue:
        """Return the catalogue; an empty one when nothing was ever backed up."""
        try:
            with self.storage.stream(CATALOGUE) as source:
                text = b"".join(segments.unseal(self.keys, CATALOGUE, _Limited(source)))
        except MissingError:
            if any(True for _ in self.storage.names(MANIFESTS)):
                raise DamageError(
                    f"{self.storage.place}: the catalogue is missing, and there are manifests"
                ) from None
            return Catalogue()
        try:
            data = json.loads(text)
            rows = ({**row, "sources": tuple(row["sources"])} for row in data["backups"])
            return Catalogue(data["generation"], tuple(Backup(**row) for row in rows))
        except (ValueError, KeyError, TypeError) as error:
            raise DamageError(f"catalogue: is none of this version: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Be the only writer. Raises HeldError."""
        with self.storage.locked() as still:
            self.there = {}
            for name, size in self.storage.names(CHUNKS):
                if chunk := chunk_of(name):
                    self.there[bytes.fromhex(chunk)] = size
            yield Writing(self, still, self.catalogue())

    def chunk(self, name: str) -> bytes:
        """Return a chunk's content. Raises DamageError."""
        limit = CHUNK + CHUNK_OVERHEAD + 1
        return self.keys.open_chunk(name, self.storage.read(chunk_name(name), limit))

    def entries(self, backup: Backup) -> Iterator[Entry | Sum]:
        """Yield what a backup consists of; the Sum is last. Raises DamageError."""
        name = f"{MANIFESTS}/{backup.name}"
        with self.storage.stream(name) as source:
            yield from manifest.parse(segments.unseal(self.keys, name, source), name)

    def content(self, entry: Entry) -> Iterator[bytes]:
        """Yield a file's content. Raises DamageError, which names the file."""
        size, digest = 0, hashlib.sha256()
        for chunk in entry.chunks:
            try:
                data = self.chunk(chunk)
            except DamageError as error:
                raise DamageError(f"{entry.name}: {error}") from error
            size += len(data)
            digest.update(data)
            yield data
        if (size, digest.hexdigest()) != (entry.size, entry.sha256):
            raise DamageError(f"{entry.name}: does not come out as it was")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A chunk, ready to be stored: no pieces when it is there already."""

    name: str
    size: int
    pieces: tuple[bytes, ...]


class Writing:
    """What only the one writer may do."""

    def __init__(
        self, repository: Repository, still: Callable[[], None], catalogue: Catalogue
    ) -> None:
        self.repository, self.catalogue, self._still = repository, catalogue, still
        self.added = 0

    def sealed(self, data: bytes | bytearray | memoryview) -> Sealed:
        """Return a chunk as it would be stored; nothing is written. Any thread may ask."""
        it = self.repository
        name, size = it.keys.chunk_id(data), len(data) + CHUNK_OVERHEAD
        # A power cut can leave a name with less behind it: the size tells.
        there = it.there.get(bytes.fromhex(name)) == size
        return Sealed(name, size, () if there else it.keys.seal_chunk(name, data))

    def add(self, chunk: Sealed) -> str:
        """Have a chunk, written only when it is not there; return its name."""
        it = self.repository
        if chunk.pieces and it.there.get(bytes.fromhex(chunk.name)) != chunk.size:
            it.storage.write(chunk_name(chunk.name), chunk.pieces)
            it.there[bytes.fromhex(chunk.name)] = chunk.size
            self.added += chunk.size
        return chunk.name

    def manifest(self, backup: str, entries: Iterable[Entry | Sum]) -> str:
        """Write a backup's manifest; return its digest. The backup is none before `commit`."""
        name, digest = f"{MANIFESTS}/{backup}", hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            for piece in segments.seal(self.repository.keys, name, manifest.lines(entries)):
                digest.update(piece)
                yield piece

        self.repository.storage.write(name, pieces())
        return digest.hexdigest()

    def commit(self, backups: Iterable[Backup]) -> Catalogue:
        """Have exactly these backups, from one moment to the next."""
        storage = self.repository.storage
        # What the catalogue is about to promise must be on the medium before it is.
        storage.settle()
        self._still()
        new = replace(
            self.catalogue, generation=self.catalogue.generation + 1, backups=tuple(backups)
        )
        text = json.dumps(asdict(new)).encode()
        storage.write(CATALOGUE, segments.seal(self.repository.keys, CATALOGUE, [text]))
        storage.settle()
        self.catalogue = new
        return new

    def forget(self, chunk: str) -> None:
        """Remove a chunk that no backup uses."""
        self.repository.storage.remove(chunk_name(chunk))
        self.repository.there.pop(bytes.fromhex(chunk), None)


class _Limited:
    """A stream that ends where no catalogue is any more."""

    def __init__(self, source: Readable) -> None:
        self.source, self.left = source, LARGEST_CATALOGUE

    def read(self, size: int, /) -> bytes:
        data = self.source.read(min(size, self.left))
        self.left -= len(data)
        return data


def chunk_of(name: str) -> str:
    """Return the chunk that an object of `chunks` is, "" for what is none."""
    chunk = name.rpartition("/")[2]
    hexadecimal = len(chunk) == 64 and not chunk.strip("0123456789abcdef")
    return chunk if hexadecimal and name == chunk_name(chunk) else ""


def _anything(storage: Storage) -> Iterator[tuple[str, int]]:
    for folder in (CHUNKS, MANIFESTS):
        yield from storage.names(folder)
    for name in (CONFIG, CATALOGUE):
        try:
            storage.read(name, 1)
        except MissingError:
            continue
        yield name, 1
