"""Root's small files: written whole and atomically, one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clawkeep.onhost import paths
from clawkeep.onhost.plain import plain

#: Between two tries for a lock that somebody else holds.
AGAIN_S = 0.05


MAX_ERRORS = 1 << 20
"""Bytes of a job's own error log."""

MAX_EVENTS = 4 << 20
"""Bytes of the record of events; the former ones are kept beside it, once."""


class BusyError(OSError):
    """The lock could not be had in time; the text says who holds it."""

    def __init__(self, text: str, holder: str = "") -> None:
        super().__init__(text)
        self.holder = holder


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
def locked(
    path: Path | None = None, *, timeout_s: float | None = None, holder: str = ""
) -> Iterator[int]:
    """Hold the host's one lock: whoever changes rules, grants or the window holds it.

    `path` is another lock, `holder` what is said of us there (else our command line). Waits for at
    most `timeout_s` seconds, None: for as long as it takes. Yields the descriptor that holds it.
    Raises BusyError, OSError.
    """
    path = paths.LOCK if path is None else path
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _take(handle, path, timeout_s)
        # Who holds it is only said to people: a full disk must keep nobody from it.
        with contextlib.suppress(OSError):
            said = holder or f"{' '.join(sys.argv[:2])} (pid {os.getpid()})"
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{said}\n".encode(), 0)
        yield handle
    finally:
        os.close(handle)


def _take(handle: int, path: Path, timeout_s: float | None) -> None:
    if timeout_s is None:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                there = os.pread(handle, 400, 0).decode("utf-8", "replace").partition("\n")[0]
                who = plain(there.strip()) or "somebody"
                raise BusyError(
                    f"{path} has been held for {timeout_s:.0f} s by {who}", who
                ) from None
            time.sleep(AGAIN_S)
        else:
            return


def own_folder(path: Path) -> str:
    """Have the folder `path` that only root can change; say why it had to be made anew, else "".

    A link, anybody else's folder or one that others may write to is put aside under another name:
    what lies in it may be anybody's. The parent folder may be open to others, too: macOS gives
    /var/run to the group daemon. Raises OSError when it cannot be had.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        _make(path)
        return ""
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISDIR(found.st_mode):
        wrong = "is a link" if stat.S_ISLNK(found.st_mode) else "is no folder"
    elif found.st_uid != os.geteuid():
        wrong = f"belongs to user {found.st_uid}"
    elif mode & 0o022:
        wrong = f"has mode {mode:o}: others may write to it"
    else:
        if mode != 0o755:
            path.chmod(0o755)
        return ""
    aside = path.with_name(f"{path.name}.refused-{time.time_ns()}")
    path.rename(aside)
    _make(path)
    return f"{path} {wrong}; it is kept as {aside.name}, and a new one begins"


def _make(path: Path) -> None:
    path.mkdir(mode=0o755, parents=True)
    path.chmod(0o755)  # Whatever the umask is.


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
            _rotate(handle, paths.EVENTS)
        finally:
            os.close(handle)
    except OSError as error:
        # A full disk must not keep whoever closes something from closing it.
        sys.stderr.write(f"{paths.EVENTS}: {error}: {line}\n")


def _rotate(handle: int, path: Path) -> None:
    """Rename a record that is too long; of several writers one does it. Raises OSError."""
    facts = os.fstat(handle)
    if facts.st_size <= MAX_EVENTS:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    with contextlib.suppress(FileNotFoundError):
        if os.lstat(path).st_ino == facts.st_ino:
            path.replace(path.with_name(f"{path.name}.1"))


def limit_errors() -> None:
    """Empty the job's own error log when it is too large; launchd rotates none."""
    facts = os.fstat(2)
    if stat.S_ISREG(facts.st_mode) and facts.st_size > MAX_ERRORS:
        os.ftruncate(2, 0)
