"""Gives a run copies of some of the service user's files: tokens and settings of allowed skills.

Two users take part, since neither may do all of it. NanoClaw's own reads its files and lays copies
into a folder of the run that only the agent's group may look into; the agent's user, before it
becomes the agent, takes them into the run's home, where they are its own, 0600. Both end with the
run. On neither side is a link followed.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from typing import Any

FOLDER = "given"
#: A token, a key, a client's settings; nothing that a skill gives is larger.
FILE_BYTES, ALL_BYTES = 64 << 10, 512 << 10
FOLDER_MODE = 0o750
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def stage(
    home: str, files: Iterable[dict[str, Any]], run: str, run_home: str, group: int
) -> list[str]:
    """Copy files of our `home` into the folder `run`, for `group`; `run_home` is the run's to be.

    Returns in words what could not be copied; the rest is.
    """
    refused, left = [], ALL_BYTES
    for file in files:
        path = str(file["path"])
        try:
            data = read_below(home, path, FILE_BYTES)
            if file["rehomed"]:
                data = data.replace(home.encode() + b"/", run_home.encode() + b"/")
        except FileNotFoundError:
            if not file["optional"]:
                refused.append(f"~/{path}: there is none; apply the keep's `skills` phase")
            continue
        except OSError as error:
            refused.append(f"~/{path}: {error.strerror}")
            continue
        except ValueError as error:
            refused.append(f"~/{path}: {error}")
            continue
        left -= len(data)
        if left < 0:
            refused.append(f"~/{path}: all together are larger than {ALL_BYTES} bytes")
            continue
        _lay(f"{run}/{FOLDER}", path, data, group)
    return refused


def read_below(top: str, path: str, limit: int) -> bytes:
    """Return a file of ours below a folder of ours. Raises OSError, or ValueError that says why.

    No part of the path may be a link, nor the file another name of something.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or parts[0] == ".claude":
        raise ValueError("is no file of a skill")
    with contextlib.ExitStack() as stack:
        folder = os.open(top, _FOLDER)
        stack.callback(os.close, folder)
        for part in parts[:-1]:
            folder = os.open(part, _FOLDER, dir_fd=folder)
            stack.callback(os.close, folder)
        descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
        stack.callback(os.close, descriptor)
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.getuid() or info.st_nlink != 1:
            raise ValueError("is no file of its user's own")
        if info.st_mode & 0o022:
            raise ValueError("others may write it")
        data = b""
        while len(data) <= limit and (more := os.read(descriptor, limit + 1 - len(data))):
            data += more
    if len(data) > limit:
        raise ValueError(f"is larger than {limit} bytes")
    return data


def _lay(top: str, path: str, data: bytes, group: int) -> None:
    """Write one copy, in a folder that nobody but us can write."""
    folder = top
    for part in ("", *path.split("/")[:-1]):
        folder = f"{folder}/{part}" if part else folder
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o700)
            os.chown(folder, -1, group)
            os.chmod(folder, FOLDER_MODE)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(f"{top}/{path}", flags, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, 0o640)


def take(run: str, home: str) -> None:
    """As the agent's user: copy what was laid out in `run` into its `home`. Raises OSError."""
    top = f"{run}/{FOLDER}"
    for folder, _, files in os.walk(top):
        below = os.path.relpath(folder, top)
        place = home if below == "." else f"{home}/{below}"
        if below != ".":
            # Another run of the same user may be here already; that one can do no more than we.
            with contextlib.suppress(FileExistsError):
                os.mkdir(place, 0o700)
        for name in files:
            with open(f"{folder}/{name}", "rb") as source:
                data = source.read()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(f"{place}/{name}", flags, 0o600)
            with open(descriptor, "wb") as copy:
                copy.write(data)
                # The home's group is inherited, and umask is no promise about a mode.
                os.fchmod(descriptor, 0o600)
