"""A repository behind SSH: each object is written beside, read back, and renamed into its place.

SFTP has no locks that end with whoever holds them. The lock is a file that only one can make
(`SSH_FXF_EXCL`), renewed while work goes on; it is stale when its holder is known to be gone, or
has not renewed it for half an hour by the server's clock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from clawkeep.backup.errors import BackupError, HeldError, MissingError
from clawkeep.backup.segments import Readable
from clawkeep.backup.sftp import (
    FLAG_CREATE,
    FLAG_EXCLUSIVE,
    FLAG_READ,
    FLAG_TRUNCATE,
    FLAG_WRITE,
    NO_SUCH_FILE,
    Sftp,
    SftpError,
)
from clawkeep.backup.storage import LOCK, NAME, TEMPORARY, holder

STALE_S: Final = 1800
RENEW_S: Final = 60
NEW: Final = FLAG_WRITE | FLAG_CREATE | FLAG_EXCLUSIVE


class Remote:
    """A repository in the folder `path` of an SFTP server."""

    def __init__(self, connection: Sftp, path: str) -> None:
        self._sftp, self.path = connection, path.rstrip("/")
        self._folders: set[str] = set()
        self._token = ""
        self._renewed = 0.0

    @property
    def place(self) -> str:
        """Server and folder."""
        return f"{self._sftp.who}:{self.path}"

    def make(self) -> None:
        """Make the folder for a new repository; its parent must be there."""
        self._sftp.mkdir(self.path)

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield name and size of every object below `folder`."""
        rest = [folder]
        while rest:
            below = rest.pop()
            try:
                found = self._sftp.list(f"{self.path}/{below}")
            except SftpError as error:
                if error.code == NO_SUCH_FILE:
                    continue
                raise
            for name, about in found:
                if about.folder:
                    rest.append(f"{below}/{name}")
                else:
                    yield f"{below}/{name}", about.size

    def read(self, name: str, most: int) -> bytes:
        """Return an object."""
        with self._opened(name) as handle:
            return b"".join(self._sftp.read(handle, most, name))[:most]

    @contextmanager
    def stream(self, name: str) -> Iterator[Readable]:
        """Open an object for reading.

        Its parts come by questions of their own: others may be asked between two of them.
        """
        with self._opened(name) as handle:
            yield _Stream(self._sftp, handle, name)

    @contextmanager
    def _opened(self, name: str) -> Iterator[bytes]:
        try:
            handle = self._sftp.open(self._at(name), FLAG_READ)
        except SftpError as error:
            if error.code == NO_SUCH_FILE:
                raise MissingError(f"{name}: is missing in {self.place}") from None
            raise
        try:
            yield handle
        finally:
            with contextlib.suppress(SftpError):
                self._sftp.close_handle(handle)

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Have the object: under another name first, read back, and only then renamed."""
        self._renew()
        target = self._at(name)
        new = f"{self.path}/{TEMPORARY}/{os.urandom(8).hex()}"
        self._folder(f"{self.path}/{TEMPORARY}")
        self._folder(target.rpartition("/")[0])
        try:
            self._upload(new, name, pieces)
            self._sftp.replace(new, target)
        except BaseException:
            with contextlib.suppress(BackupError):
                self._sftp.remove(new)
            raise

    def _upload(self, new: str, name: str, pieces: Iterable[bytes]) -> None:
        written, size = hashlib.sha256(), 0
        handle = self._sftp.open(new, NEW)
        try:
            for piece in pieces:
                # Piece by piece: what makes the pieces may itself ask the server.
                self._sftp.write(handle, iter([piece]), name, size)
                written.update(piece)
                size += len(piece)
            self._sftp.sync(handle)
        finally:
            with contextlib.suppress(SftpError):
                self._sftp.close_handle(handle)
        if self._digest(new, size) != written.digest():
            raise BackupError(f"{self.place}: {name} does not read back as it was written")

    def _digest(self, path: str, size: int) -> bytes:
        handle, found = self._sftp.open(path, FLAG_READ), hashlib.sha256()
        # One byte more than there should be: too much is as wrong as too little.
        for piece in self._sftp.read(handle, size + 1, path):
            found.update(piece)
        self._sftp.close_handle(handle)
        return found.digest()

    def remove(self, name: str) -> None:
        """Have no object of that name."""
        self._renew()
        self._sftp.remove(self._at(name))

    def settle(self) -> None:
        """Do nothing: each object was synced when it was written, where the server can do so."""

    @contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """Hold the lock file. Raises HeldError."""
        self._token = os.urandom(16).hex()
        self._folder(f"{self.path}/{TEMPORARY}")
        if not self._take() and not (self._stale() and self._take()):
            raise HeldError(
                f"{self.place} is being written to by {_who(self._lock())}; wait for it"
            )
        try:
            for name, _ in list(self.names(TEMPORARY)):
                self._sftp.remove(f"{self.path}/{name}")
            yield self._still
        finally:
            with contextlib.suppress(BackupError):
                if self._lock().get("token") == self._token:
                    self._sftp.remove(self._at(LOCK))
            self._token = ""

    def _take(self) -> bool:
        try:
            handle = self._sftp.open(self._at(LOCK), NEW)
        except SftpError as error:
            if error.code is None:
                raise
            try:
                self._sftp.stat(self._at(LOCK))
            except SftpError:
                raise error from None  # Not because it is there.
            return False
        self._sftp.write(handle, iter([self._words()]), LOCK)
        self._sftp.close_handle(handle)
        self._renewed = time.monotonic()
        return True

    def _words(self) -> bytes:
        return json.dumps(
            {
                "holder": holder(),
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "token": self._token,
            }
        ).encode()

    def _lock(self) -> dict[str, Any]:
        try:
            data = json.loads(self.read(LOCK, 4096))
        except (ValueError, MissingError):
            return {}
        return data if isinstance(data, dict) else {}

    def _stale(self) -> bool:
        """Take a lock away whose holder is gone; False when it is somebody's."""
        found = self._lock()
        if not (self._gone(found) or self._age() > STALE_S):
            return False
        aside = f"{self.path}/{TEMPORARY}/stale{os.urandom(8).hex()}"
        try:
            self._sftp.rename(self._at(LOCK), aside)
        except SftpError:
            return False  # Somebody else was faster.
        moved = json.loads(self.read(f"{TEMPORARY}/{aside.rpartition('/')[2]}", 4096) or b"{}")
        if moved.get("token") != found.get("token"):
            # Between the look and the rename it became somebody's: it goes back.
            with contextlib.suppress(SftpError):
                self._sftp.rename(aside, self._at(LOCK))
            return False
        return True

    @staticmethod
    def _gone(found: dict[str, Any]) -> bool:
        pid = found.get("pid")
        if found.get("host") != socket.gethostname() or type(pid) is not int or pid < 2:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def _age(self) -> float:
        """Return how long ago the lock was renewed, in seconds of the server's clock."""
        probe = f"{self.path}/{TEMPORARY}/{os.urandom(8).hex()}"
        self._sftp.close_handle(self._sftp.open(probe, NEW))
        try:
            return self._sftp.stat(probe).mtime - self._sftp.stat(self._at(LOCK)).mtime
        except SftpError:
            return 0.0
        finally:
            self._sftp.remove(probe)

    def _renew(self) -> None:
        if self._token and time.monotonic() - self._renewed > RENEW_S:
            self._still()
            handle = self._sftp.open(self._at(LOCK), FLAG_WRITE | FLAG_TRUNCATE)
            self._sftp.write(handle, iter([self._words()]), LOCK)
            self._sftp.close_handle(handle)
            self._renewed = time.monotonic()

    def _still(self) -> None:
        if self._lock().get("token") != self._token:
            raise HeldError(f"{self.place}: the lock was taken over by {_who(self._lock())}")

    def _folder(self, path: str) -> None:
        """Have a folder of the repository, and those that it is in."""
        if path not in self._folders and path != self.path:
            self._folder(path.rpartition("/")[0])
            self._sftp.mkdir(path)
            self._folders.add(path)

    def _at(self, name: str) -> str:
        if not NAME.fullmatch(name):
            raise BackupError(f"{name!r:.60} is no object's name")
        return f"{self.path}/{name}"


class _Stream:
    """A file that is read a part at a time."""

    def __init__(self, connection: Sftp, handle: bytes, name: str) -> None:
        self._sftp, self._handle, self._name = connection, handle, name
        self._at, self._rest = 0, b""

    def read(self, size: int, /) -> bytes:
        if not self._rest:
            part = b"".join(self._sftp.read(self._handle, 1 << 18, self._name, self._at))
            self._at += len(part)
            self._rest = part
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def _who(found: dict[str, Any]) -> str:
    words = "".join(c if c.isprintable() else "?" for c in str(found.get("holder", "")))[:120]
    return words or "somebody"
