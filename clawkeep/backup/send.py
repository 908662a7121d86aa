"""Sends one source of a backup to a `writer`, in constant memory."""

from __future__ import annotations

import json
from collections.abc import Iterator

from clawkeep.backup.manifest import Entry
from clawkeep.backup.repository import Backup, Repository


def sent(repository: Repository, backup: Backup, source: str) -> Iterator[bytes]:
    """Yield what a `writer` reads: each entry of `source`, every piece of it proved before.

    Raises DamageError in the middle of it: the writer then misses the end, and changes nothing.
    """
    for entry in repository.entries(backup):
        if isinstance(entry, Entry) and entry.source == source:
            yield _line(entry)
            if entry.kind == "file":
                yield from repository.content(entry)
    yield b'{"k":"end"}\n'


def _line(entry: Entry) -> bytes:
    about = {
        "k": entry.kind,
        "path": entry.path,
        "mode": entry.mode,
        "mtime": entry.mtime,
        "size": entry.size,
        "sha256": entry.sha256,
        "target": entry.target,
    }
    return json.dumps(about).encode("ascii") + b"\n"
