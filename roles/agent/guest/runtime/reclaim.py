"""Keeps the places plain in which NanoClaw itself writes among an agent's files.

NanoClaw writes some files into folders that the agent may change, by fixed names, and follows
what it finds there: the log of each run, which quotes what the agent printed, and Claude Code's
settings and skills. A link planted there would have NanoClaw's own user write the agent's words
wherever it leads. So before NanoClaw hears that a run has ended, and before a run begins, what is
not plain there is put aside under another name; nothing is deleted.

While another run of the same user lives, it could plant again: NanoClaw runs one per group.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator

from roles.agent.guest.runtime import access

LOGS, SETTINGS, SKILLS = "logs", "settings.json", "skills"
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
#: Entries of one skill that are looked at; a skill of NanoClaw's own has a handful.
LOOKED_AT = 2000


def reclaim(group_folder: str, claude: str, release: str, group: int) -> list[str]:
    """Make all such places plain; return the names of those that were not. Raises OSError.

    The agent's Unix `group` may read the logs, as in a container, and write none of them.
    """
    with _opened(group_folder) as folder:
        put_aside = _put_aside(folder, LOGS, _is_ours(folder, LOGS))
        with contextlib.suppress(FileExistsError):
            os.mkdir(LOGS, 0o700, dir_fd=folder)
    access.grant(f"{group_folder}/{LOGS}", access.Access(group, 0o050, 0o040, 0o027))
    with _opened(claude) as folder:
        settings = _looked_at(folder, SETTINGS)
        put_aside += _put_aside(folder, SETTINGS, settings is None or _is_single(settings))
        put_aside += _put_aside(folder, SKILLS, _is_open(folder, SKILLS))
        if _looked_at(folder, SKILLS):
            with _opened(SKILLS, folder) as skills:
                for name in _names(f"{release}/container/skills"):
                    plain = _looked_at(skills, name) is None or _is_plain(skills, name)
                    put_aside += _put_aside(skills, name, plain)
    return put_aside


@contextlib.contextmanager
def _opened(path: str, above: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, _FOLDER, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _looked_at(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_ours(folder: int, name: str) -> bool:
    """Whether it is absent, or a folder of ours with nothing but files of ours in it."""
    if _looked_at(folder, name) is None:
        return True
    try:
        with _opened(name, folder) as inner, os.scandir(inner) as entries:
            if os.fstat(inner).st_uid != os.getuid():
                return False
            found = (entry.stat(follow_symlinks=False) for entry in entries)
            return all(_is_single(info) and info.st_uid == os.getuid() for info in found)
    except OSError:
        return False


def _is_plain(folder: int, name: str) -> bool:
    """Whether it is a folder of folders and files, all to be seen, none of them a link."""
    left = LOOKED_AT
    try:
        for _, folders, files, inner in os.fwalk(name, dir_fd=folder, onerror=_fail):
            left -= len(folders) + len(files)
            infos = [_looked_at(inner, each) for each in (*folders, *files)]
            if left < 0 or not all(
                info and (stat.S_ISDIR(info.st_mode) or _is_single(info)) for info in infos
            ):
                return False
    except OSError:
        return False
    info = _looked_at(folder, name)
    return info is not None and stat.S_ISDIR(info.st_mode)


def _fail(error: OSError) -> None:
    raise error


def _is_single(info: os.stat_result) -> bool:
    return stat.S_ISREG(info.st_mode) and info.st_nlink == 1


def _is_open(folder: int, name: str) -> bool:
    """Whether it is absent, or a folder that we can list and change."""
    info = _looked_at(folder, name)
    if info is None:
        return True
    mode = os.R_OK | os.W_OK | os.X_OK
    return stat.S_ISDIR(info.st_mode) and os.access(name, mode, dir_fd=folder)


def _put_aside(folder: int, name: str, plain: bool) -> list[str]:
    if plain:
        return []
    os.rename(name, f".{name}.{time.time_ns()}", src_dir_fd=folder, dst_dir_fd=folder)
    return [name]
