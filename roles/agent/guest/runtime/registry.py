"""Which agent user a group runs as: the same for ever, and no other group's.

Files that an agent wrote belong to its user, so a group that changed users would lose its own,
and one that got another group's would have them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator

from roles.agent.guest.runtime.settings import Refused, Settings


def user_of(folder: str, main: bool, settings: Settings) -> str:
    """Return the group's agent user; give it the next free one the first time.

    The first of the pool is for the main group alone. Raises Refused when none is left.
    """
    path = settings.state + "/agents.json"
    with _locked(path + ".lock"):
        known = _read(path)
        if folder not in known:
            free = [agent for agent in settings.agents if agent not in known.values()]
            if not main:
                free = [agent for agent in free if agent != settings.agents[0]]
            if not free:
                raise Refused(
                    f"group {folder!r}: all {len(settings.agents)} agent users are taken; "
                    "raise agent.users and apply the keep's `agent` phase"
                )
            known[folder] = free[0]
            _write(path, known)
    if known[folder] not in settings.agents:
        raise Refused(
            f"group {folder!r} is {known[folder]}'s, who is no agent user any more; "
            "raise agent.users again"
        )
    return known[folder]


def _read(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: {error}; it says whose the groups' files are") from None
    if not isinstance(known, dict) or len(set(known.values())) != len(known):
        raise Refused(f"{path}: two groups share an agent user")
    return known


def _write(path: str, known: dict[str, str]) -> None:
    descriptor = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(known, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
