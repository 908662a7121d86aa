"""Opens a group's files to its agent, by the agent's Unix group, and to nobody else.

NanoClaw writes with umask 077 into folders in which the agent writes too, so this is done before
each run. The agent may change these folders at any moment, before our very eyes: nothing is
followed, and a file that has another name somewhere is never touched, for on a Mac anybody may
give a name of his own to a file that he cannot even read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

#: Ends to what an agent can have us do: deeper or more, and the rest stays as it is.
DEPTH, ENTRIES = 64, 500_000
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class Access(NamedTuple):
    """Bits to set on folders and files, bits to clear on both, and the group, None: as it is."""

    group: int | None
    folders: int
    files: int
    clear: int

    def mode(self, info: os.stat_result) -> int:
        """Return the mode that a file or folder must have; who may run a file stays alike."""
        wanted = self.folders if stat.S_ISDIR(info.st_mode) else self.files
        if stat.S_ISREG(info.st_mode) and info.st_mode & 0o100:
            wanted |= (wanted & 0o044) >> 2
        return (stat.S_IMODE(info.st_mode) | wanted) & ~self.clear

    def fits(self, info: os.stat_result) -> bool:
        """Whether there is nothing to do."""
        right = self.group is None or info.st_gid == self.group
        return right and stat.S_IMODE(info.st_mode) == self.mode(info)


def for_agent(group: int) -> Access:
    """Return what an agent gets in folders of its own; what is new there is its group's."""
    return Access(group, 0o2070, 0o060, 0o007)


def for_all(group: int | None) -> Access:
    """Return what agents get in the memory of all: to read, and one group to write."""
    write = Access(group, 0o2075, 0o064, 0o002)
    return write if group is not None else Access(None, 0o055, 0o044, 0o022)


def grant(path: str, access: Access, leave: str = "") -> None:
    """Give `access` to all below `path` that is ours; what others own is their own to give.

    `leave` is the name of what stays as it is, directly below `path`.
    """
    descriptor = os.open(path, _FOLDER)
    try:
        _set(descriptor, access)
        left = iter(range(ENTRIES))
        _walk(descriptor, access, left, DEPTH, leave)
    finally:
        os.close(descriptor)


def passable(path: str, group: int | None = None) -> None:
    """Let an agent pass through a folder of ours: one group, or anybody, but not look around."""
    info = os.lstat(path)
    wanted = stat.S_IMODE(info.st_mode) | (0o010 if group is not None else 0o011)
    if group is not None and info.st_gid != group:
        os.chown(path, -1, group, follow_symlinks=False)
    if wanted != stat.S_IMODE(info.st_mode):
        os.chmod(path, wanted)


def _walk(folder: int, access: Access, left: Iterator[int], depth: int, leave: str = "") -> None:
    with os.scandir(folder) as found:
        entries = [entry for entry in found if entry.name != leave]
    for entry in entries:
        if next(left, None) is None:
            return
        try:
            info = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode) and depth:
                _enter(folder, entry.name, access, left, depth - 1)
            elif stat.S_ISREG(info.st_mode) and _is_due(info, access):
                _open_up(folder, entry.name, access)
        except OSError:
            # It went away, or changed into what we do not touch; the agent sees its own doing.
            continue


def _enter(folder: int, name: str, access: Access, left: Iterator[int], depth: int) -> None:
    inner = os.open(name, _FOLDER, dir_fd=folder)
    try:
        _set(inner, access)
        _walk(inner, access, left, depth)
    finally:
        os.close(inner)


def _open_up(folder: int, name: str, access: Access) -> None:
    descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        opened = os.fstat(descriptor)
        # Asked of the name, after it was opened: only then is this the one name that it has.
        now = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if now.st_nlink == 1 and os.path.samestat(now, opened) and stat.S_ISREG(now.st_mode):
            _set(descriptor, access)
    finally:
        os.close(descriptor)


def _is_due(info: os.stat_result, access: Access) -> bool:
    return info.st_uid == os.getuid() and not access.fits(info)


def _set(descriptor: int, access: Access) -> None:
    info = os.fstat(descriptor)
    if not _is_due(info, access):
        return
    if access.group is not None and info.st_gid != access.group:
        os.fchown(descriptor, -1, access.group)
    os.fchmod(descriptor, access.mode(info))
