"""Forgets the backups that retention does not keep, then whatever no backup uses."""

from __future__ import annotations

from dataclasses import dataclass

from clawkeep.backup.manifest import Entry
from clawkeep.backup.plan import Retention
from clawkeep.backup.repository import MANIFESTS, Repository, Writing
from clawkeep.backup.retention import kept


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was forgotten and how much room that made, in bytes; and what keeps the others."""

    forgotten: tuple[str, ...]
    kept: dict[str, str]
    chunks: int = 0
    bytes: int = 0


def prune(repository: Repository, retention: Retention, *, dry: bool = False) -> Pruned:
    """Keep what `retention` keeps; `dry` only says what that would be.

    The catalogue forgets first: killed at any point, no backup that it lists lacks anything, and
    the next prune removes the rest. Raises DamageError before anything is removed when a backup
    that is kept cannot be read: what it uses is not known then.
    """
    with repository.writing() as writing:
        backups = writing.catalogue.backups
        keep = kept(backups, retention)
        gone = tuple(b.name for b in backups if b.name not in keep)
        if dry or not backups:
            return Pruned(gone, keep)
        used = _used(repository, writing, keep)
        if gone:
            writing.commit(b for b in backups if b.name in keep)
        for name, _ in list(repository.storage.names(MANIFESTS)):
            if name.rpartition("/")[2] not in keep:
                repository.storage.remove(name)
        free = {chunk: size for chunk, size in repository.there.items() if chunk not in used}
        for chunk in free:
            writing.forget(chunk.hex())
        return Pruned(gone, keep, len(free), sum(free.values()))


def _used(repository: Repository, writing: Writing, keep: dict[str, str]) -> set[bytes]:
    return {
        bytes.fromhex(chunk)
        for backup in writing.catalogue.backups
        if backup.name in keep
        for entry in repository.entries(backup)
        if isinstance(entry, Entry)
        for chunk in entry.chunks
    }
