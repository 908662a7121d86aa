"""WatchPaths and PathState: changes of paths, by inotify on the nearest folder that exists."""

import contextlib
import ctypes
import os
import struct
from collections.abc import Callable

from .loop import Loop

IN_MODIFY, IN_ATTRIB, IN_MOVED_FROM, IN_MOVED_TO = 0x2, 0x4, 0x40, 0x80
IN_CREATE, IN_DELETE, IN_DELETE_SELF, IN_MOVE_SELF = 0x100, 0x200, 0x400, 0x800
MASK = (
    IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF
    | IN_MOVE_SELF
)  # fmt: skip
FOLDER_ENTRIES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO
EVENT = struct.Struct("iIII")


class PathWatch:
    """Calls back when one of the paths appears, disappears or changes; folders: their entries."""

    def __init__(self, loop: Loop, watched: list[str], changed: Callable[[], None]) -> None:
        self._loop, self._paths, self._changed = loop, watched, changed
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._interest: dict[int, set[str | None]] = {}
        if self._fd >= 0:
            self._arm()
            loop.add(self._fd, self._read)

    def close(self) -> None:
        """Stop watching."""
        if self._fd >= 0:
            self._loop.remove(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _arm(self) -> None:
        """Watch each path's parent for its name, a folder also for its entries (None)."""
        self._interest.clear()
        for path in self._paths:
            folder, name = os.path.split(path.rstrip("/") or "/")
            while not os.path.isdir(folder):
                folder, name = os.path.split(folder)
            self._add(folder, name)
            if os.path.isdir(path):
                self._add(path, None)

    def _add(self, folder: str, name: str | None) -> None:
        number = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), MASK)
        if number >= 0:
            self._interest.setdefault(number, set()).add(name)

    def _read(self) -> None:
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._fd, 65536)
        relevant, offset = False, 0
        while offset < len(data):
            number, mask, _cookie, length = EVENT.unpack_from(data, offset)
            offset += EVENT.size
            name = data[offset : offset + length].rstrip(b"\0").decode(errors="surrogateescape")
            offset += length
            wanted = self._interest.get(number, set())
            relevant |= name in wanted or (None in wanted and bool(mask & FOLDER_ENTRIES))
        if relevant:
            self._arm()
            self._changed()
