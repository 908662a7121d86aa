"""$TART_HOME: its folders, its garbage collection, its locks.

Source: reference/tart.md §1.1, §1.8 (Config.swift, FileLock.swift).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..virtualization import wire
from . import disk_image
from .errors import OtherError


def home() -> Path:
    """Return the folder, made with `cache` and `tmp` in it. Raises OtherError."""
    chosen = os.environ.get("TART_HOME")
    folder = Path(chosen).absolute() if chosen is not None else Path("~/.tart").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("cache", "tmp"):
            (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise OtherError(
            f"TART_HOME is invalid: {error.filename} does not exist, yet we can't create it: "
            f"{error.strerror}"
        ) from error
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold flock(2) on a folder or file, waiting for it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def collect_garbage() -> None:
    """Delete every entry of `tmp` that nobody holds: what tart does before most commands."""
    for entry in (home() / "tmp").iterdir():
        with suppress(OSError):
            descriptor = os.open(entry, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(entry)
            finally:
                os.close(descriptor)


def remove(entry: Path) -> None:
    """Delete a VM's folder, or a file, with the disk that it names."""
    image = entry / "disk.img" if entry.is_dir() else entry
    name = disk_image.disk_of(image)
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        entry.unlink()
    if name:
        with suppress(wire.RefusedError):
            wire.ask({"op": "disk.delete", "uuid": name})
