"""Root's small files: written whole and atomically, one writer at a time."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clawkeep.onhost import paths


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace `path` by `text`, atomically and durably; the folder is made when missing."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    new.replace(path)


def read(path: Path) -> str | None:
    """Return the text of `path`, None when there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


@contextmanager
def locked(path: Path = paths.LOCK) -> Iterator[None]:
    """Hold the host's one lock: whoever changes rules, grants or the window holds it."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def event(kind: str, text: str, **details: Any) -> None:
    """Append one event to the host's record: a change of state, when and what.

    `kind` is one word such as `repaired`, `closed`, `opened`, `leak`, `granted`, `revoked`.
    """
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
    line = json.dumps({"t": stamp, "kind": kind, "text": text, **details})
    try:
        paths.EVENTS.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(paths.EVENTS, flags, 0o644)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)
    except OSError as error:
        # A full disk must not keep whoever closes something from closing it.
        sys.stderr.write(f"{paths.EVENTS}: {error}: {line}\n")
