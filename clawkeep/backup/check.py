"""Looks whether a repository holds what its backups consist of, and names the files that it lacks.

Every chunk is read and opened, so a flipped bit is found as surely as a missing file. What a backup
consists of is proved by its manifest, that by the catalogue's hash, and the catalogue by its
generation: an older one put back in its place is smaller than what was seen before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from clawkeep.backup.errors import BackupError, DamageError, MissingError
from clawkeep.backup.manifest import Entry
from clawkeep.backup.repository import CHUNKS, MANIFESTS, Backup, Catalogue, Repository, chunk_of

SHOWN = 20
"""Files that are named for one backup."""


@dataclass
class Checked:
    """What a check found. `problems` are damages, `leftovers` what a killed writer left behind."""

    generation: int = 0
    backups: int = 0
    chunks: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    leftovers: int = 0
    bad_chunks: tuple[str, ...] = ()


def check(repository: Repository, *, seen: int = 0) -> Checked:
    """Read the whole repository; nobody writes meanwhile, and nothing is changed.

    `seen` is the greatest generation that this machine has seen. Raises HeldError, WrongKeyError.
    """
    with repository.storage.locked():
        found = Checked()
        try:
            catalogue = repository.catalogue()
        except DamageError as error:
            found.problems.append(str(error))
            catalogue = Catalogue()
        else:
            found.generation, found.backups = catalogue.generation, len(catalogue.backups)
            if catalogue.generation < seen:
                found.problems.append(
                    f"the catalogue is an old one, put back: it is number {catalogue.generation}, "
                    f"and this machine has seen number {seen}"
                )
        sound, bad = _chunks(repository, found)
        used: set[bytes] = set()
        for backup in catalogue.backups:
            found.problems += _backup(repository, backup, sound, bad, used)
        known = {f"{MANIFESTS}/{backup.name}" for backup in catalogue.backups}
        found.leftovers += len(sound.keys() - used)
        found.leftovers += sum(name not in known for name, _ in repository.storage.names(MANIFESTS))
        found.problems += [
            f"chunk {chunk.hex()[:12]}… {why}; no backup uses it"
            for chunk, why in bad.items()
            if chunk not in used
        ]
        found.bad_chunks = tuple(chunk.hex() for chunk in bad)
        return found


def _chunks(repository: Repository, found: Checked) -> tuple[dict[bytes, int], dict[bytes, str]]:
    """Open every chunk that is there; return the sound ones' lengths, and what the others are."""
    sound: dict[bytes, int] = {}
    bad: dict[bytes, str] = {}
    for name, size in repository.storage.names(CHUNKS):
        chunk = name.rpartition("/")[2]
        if chunk_of(name) != chunk:
            found.problems.append(f"{name}: is no chunk, and nothing of ours")
            continue
        found.chunks += 1
        found.bytes += max(size, 0)
        try:
            sound[bytes.fromhex(chunk)] = len(repository.chunk(chunk))
        except BackupError as error:
            bad[bytes.fromhex(chunk)] = str(error).partition(": ")[2] or str(error)
    return sound, bad


def _backup(
    repository: Repository,
    backup: Backup,
    sound: dict[bytes, int],
    bad: dict[bytes, str],
    used: set[bytes],
) -> Iterator[str]:
    """Yield what is wrong with one backup; note the chunks that it uses."""
    try:
        if _digest(repository, backup) != backup.digest:
            raise DamageError("its manifest is not the one that the catalogue names")
        shown = 0
        for entry in repository.entries(backup):
            if isinstance(entry, Entry) and (why := _file(entry, sound, bad, used)):
                shown += 1
                if shown <= SHOWN:
                    yield f"{backup.name}: {entry.name}: {why}"
        if shown > SHOWN:
            yield f"{backup.name}: and {shown - SHOWN} more files"
    except BackupError as error:
        yield f"{backup.name}: {error}"


def _digest(repository: Repository, backup: Backup) -> str:
    digest = hashlib.sha256()
    with repository.storage.stream(f"{MANIFESTS}/{backup.name}") as source:
        while piece := source.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _file(entry: Entry, sound: dict[bytes, int], bad: dict[bytes, str], used: set[bytes]) -> str:
    """Say what is wrong with a file's chunks, "" if nothing is."""
    why, size = "", 0
    for name in entry.chunks:
        chunk = bytes.fromhex(name)
        used.add(chunk)
        if chunk in sound:
            size += sound[chunk]
        else:
            why = why or f"chunk {name[:12]}… {bad.get(chunk, 'is missing')}"
    if not why and size != entry.size:
        why = f"has {size} bytes, expected {entry.size}"
    return why


def set_aside(repository: Repository, checked: Checked) -> int:
    """Remove chunks that do not open, so that the next backup writes them anew; return how many.

    What is still the same where it came from heals so; nothing is lost that could be read.
    """
    with repository.writing() as writing:
        count = 0
        for chunk in checked.bad_chunks:
            try:
                repository.chunk(chunk)
            except MissingError:
                continue
            except DamageError:
                writing.forget(chunk)
                count += 1
        return count
