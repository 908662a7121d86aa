"""Where a lab keeps what, who holds its name, and whether it is alive."""

import fcntl
import json
import os
import re
import select
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_ROOT = "/var/lib/clawkeep-lab"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
KILL_TIMEOUT_MS = 20_000
CLOCK = "clock"
"""The folder of a lab's own clock, below its own."""


class LabError(Exception):
    """Something about a lab went wrong; the message says what and what to do."""


def root() -> Path:
    """Return the folder of all labs (CLAWKEEP_LAB_ROOT overrides)."""
    return Path(os.environ.get("CLAWKEEP_LAB_ROOT") or DEFAULT_ROOT).absolute()


@dataclass(frozen=True)
class State:
    """The files of one lab."""

    name: str
    folder: Path

    @classmethod
    def of(cls, name: str) -> "State":
        """Return the state of a name. Raises LabError when it cannot be one."""
        if not NAME.match(name):
            raise LabError(f"{name!r} is no lab name: letters, digits and ._- only")
        return cls(name, root() / name)

    @property
    def facts_file(self) -> Path:
        """`lab.json`, written when the lab is ready."""
        return self.folder / "lab.json"

    @property
    def lock_file(self) -> Path:
        """The file whose lock a lab holds as long as it lives."""
        return self.folder.parent / f"{self.name}.lock"

    @property
    def log(self) -> Path:
        """The folder that the machines see as /System/Lab/log."""
        return self.folder / "log"

    def facts(self) -> dict[str, Any] | None:
        """Return lab.json; None when the lab never got ready."""
        try:
            return dict(json.loads(self.facts_file.read_text()))
        except (OSError, ValueError):
            return None

    def holder(self) -> int | None:
        """Return the pid that holds the name: of the lab, or of an `up` under way."""
        try:
            with self.lock_file.open("rb") as file:
                if _try_lock(file.fileno()):
                    return None
                return int(file.read() or 0)
        except (OSError, ValueError):
            return None

    def remove(self) -> None:
        """Delete the files of a lab whose processes are gone."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            shutil.rmtree(self.folder)


@contextmanager
def claimed(state: State) -> Iterator[int]:
    """Hold the lab's name; gives the descriptor, whose heirs go on holding it.

    Raises LabError, with the holder's pid, when somebody has it.
    """
    state.folder.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(state.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not _try_lock(descriptor):
            pid = os.pread(descriptor, 32, 0).decode() or "?"
            os.close(descriptor)
            raise LabError(f"lab {state.name} is held by process {pid}")
        if _is_file(descriptor, state.lock_file):
            break
        os.close(descriptor)
    try:
        note_holder(descriptor, os.getpid())
        yield descriptor
    finally:
        os.close(descriptor)


def note_holder(descriptor: int, pid: int) -> None:
    """Write who holds the lock into it."""
    os.pwrite(descriptor, f"{pid}\n".encode().ljust(16), 0)


def release(state: State) -> None:
    """Remove the lock file; its lock must be held by the caller."""
    state.lock_file.unlink(missing_ok=True)


def start_time(pid: int) -> int | None:
    """Return when a process started (clock ticks after boot); None when it is gone or dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def kill_world(pid: int, started: int | None) -> None:
    """Kill a lab's first process, and with its pid namespace everything in it; wait for the end.

    Does nothing when that process is gone, or its pid is another's by now. Raises LabError.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if started is None or start_time(pid) != started:
            return
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(KILL_TIMEOUT_MS):
            raise LabError(f"process {pid} of the lab does not end")
    finally:
        os.close(handle)


def kill_unready(name: str) -> None:
    """Kill the first process of a lab whose start was cut short before its pid was written down.

    Raises LabError.
    """
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"lab.world" in words and os.fsencode(name) in words:
            kill_world(int(entry.name), start_time(int(entry.name)))


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_file(descriptor: int, path: Path) -> bool:
    """Whether the path still names the opened file (another `down` may have removed it)."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
