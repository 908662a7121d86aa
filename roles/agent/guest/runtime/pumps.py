"""Carries the files by which NanoClaw and an agent talk, between their two folders.

In a container both write into one folder. Here the agent has a folder of its own in its run, so
that it can plant nothing among NanoClaw's files: no link, no pipe that blocks who reads it, no
second name of a file that only NanoClaw may read. Only whole regular files pass, by a rename.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator

#: Seconds between two looks; the agent itself looks twice a second, NanoClaw once.
EVERY_S = 0.1
LIMIT = 16 * 1024 * 1024
#: Files that one look carries: an agent that writes without end must not keep us from the rest.
AT_ONCE = 200
OUT = ("messages", "tasks")
_SENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.json")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Pumps:
    """The carriers of one run: `host` is data/ipc/<group>, `run` the run's ipc folder."""

    def __init__(self, host: str, run: str, agent: int, group: int) -> None:
        self.host, self.run, self.agent, self.group = host, run, agent, group
        self.refused: Callable[[str, str], None] = lambda _path, _why: None
        self._seen: dict[str, tuple[int, ...]] = {}
        self._told: set[str] = set()

    def prepare(self) -> None:
        """Make NanoClaw's three folders if it has not, as it would."""
        for name in (*OUT, "input"):
            os.makedirs(f"{self.host}/{name}", mode=0o700, exist_ok=True)

    def tick(self) -> None:
        """Carry what is there. A full disk stops one file, for now, and nothing else."""
        for name in OUT:
            self._send(f"{self.run}/{name}", f"{self.host}/{name}")
        for name in self._names(self.host + "/input"):
            if name.endswith(".json") or name == "_close":
                self._deliver(f"{self.host}/input/{name}", f"{self.run}/input/{name}", once=True)
        for name in self._names(self.host):
            if name.endswith(".json"):
                self._deliver(f"{self.host}/{name}", f"{self.run}/{name}", once=False)

    def finish(self) -> None:
        """Carry the last words, and give back the messages that the agent did not take."""
        for name in OUT:
            for _ in range(50):
                if not self._send(f"{self.run}/{name}", f"{self.host}/{name}"):
                    break
        for name in self._names(self.run + "/input"):
            back = f"{self.host}/input/{name}"
            with contextlib.suppress(OSError):
                info = os.lstat(f"{self.run}/input/{name}")
                ours = stat.S_ISREG(info.st_mode) and info.st_uid == os.getuid()
                if ours and info.st_nlink == 1 and name != "_close" and not os.path.lexists(back):
                    os.rename(f"{self.run}/input/{name}", back)
                    os.chmod(back, 0o600)

    def _names(self, folder: str) -> Iterator[str]:
        with contextlib.suppress(OSError):
            names = [name for name in os.listdir(folder) if not name.startswith(".")]
            yield from sorted(names)[:AT_ONCE]

    def _send(self, folder: str, to: str) -> int:
        """Carry what the agent wrote; return how many files are done with."""
        done = 0
        for name in self._names(folder):
            path = f"{folder}/{name}"
            if name.endswith(".tmp"):
                continue
            why = "" if _SENT.fullmatch(name) else "is no name of a message"
            try:
                data = b"" if why else read_own(path, self.agent)
            except StrangeError as error:
                data, why = b"", str(error)
            except OSError:
                continue
            with contextlib.suppress(OSError):
                if why:
                    self._refuse(path, why)
                else:
                    place(data, f"{to}/.{name}.{os.getpid()}", f"{to}/{name}", None)
                os.unlink(path)
                done += 1
        return done

    def _refuse(self, path: str, why: str) -> None:
        if path not in self._told and len(self._told) < AT_ONCE:
            self._told.add(path)
            self.refused(path, why)

    def _deliver(self, path: str, to: str, once: bool) -> None:
        try:
            info = os.lstat(path)
            if not stat.S_ISREG(info.st_mode):
                return
            mark = (info.st_mtime_ns, info.st_ino, info.st_size)
            if not once and self._seen.get(path) == mark:
                return
            # Made where the agent cannot reach it, and then moved to where it can.
            staged = f"{os.path.dirname(self.run)}/staged"
            place(read_own(path, os.getuid()), staged, to, self.group)
            self._seen[path] = mark
            if once:
                os.unlink(path)
        except (OSError, StrangeError):
            return


class StrangeError(Exception):
    """A file that does not pass, and why."""


def read_own(path: str, owner: int, limit: int = LIMIT) -> bytes:
    """Read a regular file that is `owner`'s and has one name. Raises StrangeError, OSError."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StrangeError(error.strerror) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        # Before Python has it as a file: of a folder it would keep the descriptor open.
        os.close(descriptor)
        raise StrangeError("is no regular file")
    with open(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if info.st_uid != owner or info.st_nlink > 1:
            raise StrangeError("is not the agent's own")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise StrangeError(f"is larger than {limit} bytes")
    return data


def place(data: bytes, staged: str, to: str, group: int | None) -> None:
    """Write a file and move it to its place, readable by `group`, or by us alone."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(staged)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        if group is not None:
            os.fchown(descriptor, -1, group)
            os.fchmod(descriptor, 0o640)
    os.rename(staged, to)
