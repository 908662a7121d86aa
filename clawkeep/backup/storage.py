"""Where a repository's objects lie. An object appears whole or not at all, and never changes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
import stat
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from clawkeep.backup.errors import BackupError, HeldError, MissingError
from clawkeep.backup.segments import Readable

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:/[A-Za-z0-9][A-Za-z0-9-]*){0,2}")
TEMPORARY: Final = "tmp"
LOCK: Final = "lock"
SYNCING, PENDING = 16, 32
"""How many files are synced at a time, and how many wait for it."""


class Storage(Protocol):
    """A place for objects with names such as `chunks/ab/abcd…`. Raises BackupError throughout."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield name and size in bytes of every object below `folder`, in no order."""

    def read(self, name: str, most: int) -> bytes:
        """Return an object. Raises MissingError; an object longer than `most` bytes is cut off."""

    def stream(self, name: str) -> AbstractContextManager[Readable]:
        """Open an object for reading. Raises MissingError."""

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Have the object with this content, replacing one of that name."""

    def remove(self, name: str) -> None:
        """Have no object of that name."""

    def settle(self) -> None:
        """Return when all that was written outlives a power cut."""

    def locked(self) -> AbstractContextManager[Callable[[], None]]:
        """Be the only writer. Yields what must be called before a commit: it raises when lost."""


def holder() -> str:
    """Say who we are, for whoever finds the lock taken."""
    program = " ".join(Path(word).name for word in sys.argv[:3] if not word.startswith("-"))
    return f"{program} (pid {os.getpid()} on {socket.gethostname()})"


class Folder:
    """A repository in a local folder; `make` creates the folder itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pool: ThreadPoolExecutor | None = None
        self._pending: deque[Future[None]] = deque()

    @property
    def place(self) -> str:
        """The folder's path."""
        return str(self.path)

    def make(self) -> None:
        """Make the folder for a new repository; its parent must be there."""
        with self._said("cannot make the folder"):
            if not self.path.parent.is_dir():
                raise BackupError(
                    f"{self.path.parent} is not there: is the volume mounted? Make the folder, or "
                    "correct `backup.target`"
                )
            with contextlib.suppress(FileExistsError):
                self.path.mkdir(mode=0o700)

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield name and size of every object below `folder`."""
        with self._said(f"cannot list {folder}"):
            self._drain()
            rest = [folder]
            while rest:
                below = rest.pop()
                try:
                    entries = sorted(os.scandir(self.path / below), key=lambda e: e.name)
                except FileNotFoundError:
                    continue
                for entry in entries:
                    name = f"{below}/{entry.name}"
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode):
                        rest.append(name)
                    else:
                        yield name, found.st_size if stat.S_ISREG(found.st_mode) else -1

    def read(self, name: str, most: int) -> bytes:
        """Return an object."""
        with self.stream(name) as file:
            return file.read(most)

    @contextmanager
    def stream(self, name: str) -> Iterator[Readable]:
        """Open an object for reading."""
        with self._said(f"cannot read {name}"):
            self._drain()
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                handle = os.open(self._at(name), flags)
            except FileNotFoundError:
                raise MissingError(f"{name}: is missing in {self.path}") from None
        with os.fdopen(handle, "rb") as file:
            yield file

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Have the object: written beside under another name, synced, renamed."""
        target = self._at(name)
        new = self.path / TEMPORARY / f"{os.getpid()}-{os.urandom(8).hex()}"
        with self._said(f"cannot write {name}"):
            # By name, outermost first: mkdir's own `parents` would leave those to the umask.
            for folder in (new.parent, *reversed(target.parents)):
                if folder.is_relative_to(self.path) and folder != self.path:
                    folder.mkdir(mode=0o700, exist_ok=True)
            try:
                handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(handle, "wb", closefd=False) as file:
                    for piece in pieces:
                        file.write(piece)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(new)
                    os.close(handle)
                raise
            self._later(handle, new, target)

    def _later(self, handle: int, new: Path, target: Path) -> None:
        """Sync and rename a file: while we hold the lock beside what comes next, else now.

        The medium takes its time for each; a name still appears only when its content is there.
        """
        if self._pool is None:
            _in_place(handle, new, target)
            return
        while len(self._pending) >= PENDING:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(_in_place, handle, new, target))

    def _drain(self) -> None:
        while self._pending:
            self._pending.popleft().result()

    def remove(self, name: str) -> None:
        """Have no object of that name."""
        with self._said(f"cannot remove {name}"):
            self._drain()
            self._at(name).unlink(missing_ok=True)

    def settle(self) -> None:
        """Sync the folders' own entries, down to the medium where the system can say so."""
        with self._said("cannot write"):
            self._drain()
            os.sync()
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
                # On macOS fsync leaves data in the drive's cache. Source: fcntl(2), F_FULLFSYNC.
                if (full := getattr(fcntl, "F_FULLFSYNC", None)) is not None:
                    with contextlib.suppress(OSError):
                        fcntl.fcntl(handle, full)
            finally:
                os.close(handle)

    @contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """Hold the folder's lock, which the kernel takes back from whoever dies."""
        with self._said("cannot lock"):
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(self.path / LOCK, flags, 0o600)
        try:
            with self._said("cannot lock"):
                self._take(handle)
                self._sweep()
            with ThreadPoolExecutor(SYNCING) as self._pool:
                yield lambda: None
        finally:
            self._pool = None
            self._pending.clear()
            os.close(handle)

    def _take(self, handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            words = os.pread(handle, 200, 0).decode("utf-8", "replace")
            who = "".join(c if c.isprintable() else "?" for c in words.strip()) or "somebody"
            raise HeldError(f"{self.path} is being written to by {who}; wait for it") from None
        # Who holds it is only said to people: a full disk must keep nobody from pruning.
        with contextlib.suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{holder()} since {time.strftime('%H:%M:%S')}\n".encode(), 0)

    def _sweep(self) -> None:
        """Remove what a killed writer left half written: nobody else writes now."""
        for name, _ in list(self.names(TEMPORARY)):
            (self.path / name).unlink(missing_ok=True)

    def _at(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise BackupError(f"{name!r:.60} is no object's name")
        return self.path / name

    @contextmanager
    def _said(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = ""
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                hint = "; nothing that was there before is lost: make room and run it again"
            raise BackupError(f"{self.path}: {what}: {error.strerror}{hint}") from error


def _in_place(handle: int, new: Path, target: Path) -> None:
    """Have a written file on the medium, then under its name."""
    try:
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(new, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
