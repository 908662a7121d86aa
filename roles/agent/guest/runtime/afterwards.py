"""What runs as an agent's user, by sudo: signals to an agent, and the end of what it left."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import sys
from typing import Any

from roles.agent.guest.runtime import processes
from roles.agent.guest.runtime.inside import run_of
from roles.agent.guest.runtime.settings import SIGNALS, Refused, Settings


def send(settings: Settings, name: str, sent: str) -> int:
    """Send a signal to the agent's process group, when it is still the one that was started."""
    root, _ = run_of(settings, name)
    if sent not in SIGNALS:
        raise Refused(f"invalid signal: {sent}")
    if not _kill_group(root, getattr(signal, "SIG" + sent)):
        raise Refused(f"{name}: its agent has ended")
    return 0


def end(settings: Settings, name: str, whose: str) -> int:
    """Kill what is left of a run, and remove what only its user can remove."""
    root, facts = run_of(settings, name)
    if whose == "all":
        # All that this user runs but ourselves: also what left the agent's process group.
        with contextlib.suppress(OSError):
            os.kill(-1, signal.SIGKILL)
    else:
        # Its leader may have ended, and left others in its group: they keep its number taken.
        _kill_group(root, signal.SIGKILL, without_leader=True)
    if facts["global"]:
        _share(facts["global"])
    for folder in ("home", "tmp", "ipc/messages", "ipc/tasks", "ipc/input", "ipc/tools"):
        _empty(f"{root}/{folder}", folders_only=folder.startswith("ipc"))
    return 0


def _kill_group(root: str, sent: int, without_leader: bool = False) -> bool:
    try:
        with open(root + "/agent.json", encoding="utf-8") as file:
            agent = json.load(file)
        begun = processes.started([agent["pid"]]).get(agent["pid"])
        if begun is None and not without_leader:
            return False
        if begun is not None and not processes.is_same(begun, agent["started"]):
            return False
        os.killpg(agent["pid"], sent)
    except (OSError, ValueError, KeyError):
        return False
    return True


def _share(folder: str) -> None:
    """Let all agents read what this one wrote into the memory of all."""
    for path, _, files in os.walk(folder):
        for inner in (path, *(f"{path}/{name}" for name in files)):
            with contextlib.suppress(OSError):
                info = os.lstat(inner)
                if info.st_uid == os.getuid() and not stat.S_ISLNK(info.st_mode):
                    more = 0o055 if stat.S_ISDIR(info.st_mode) else 0o044
                    os.chmod(inner, stat.S_IMODE(info.st_mode) | more)


def _empty(folder: str, folders_only: bool) -> None:
    """Remove what this user put into a folder; twice, for what was just killed may have written."""
    for _ in range(3):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, onerror=_insist)
                elif not folders_only:
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)


def _insist(_function: Any, path: str, _error: Any) -> None:
    """Take away what keeps a file of our own from being removed, and remove it."""
    for blocked in (os.path.dirname(path), path):
        with contextlib.suppress(OSError):
            if not os.path.islink(blocked):
                if sys.platform == "darwin":
                    os.chflags(blocked, 0)
                os.chmod(blocked, 0o700)
    with contextlib.suppress(OSError):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
