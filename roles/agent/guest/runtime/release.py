"""The built tree that a run uses: found, and unchanged since it was built."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os

from roles.agent.guest.runtime.settings import Refused, Settings
from roles.agent.guest.sealed import PathsError, verify


def find(settings: Settings, folder: str) -> str:
    """Return the release whose NanoClaw asks, by its working folder; else the current one."""
    for path in (folder, settings.root + "/current"):
        real = os.path.realpath(path)
        if os.path.dirname(real) == settings.releases and os.path.isdir(real):
            return real
    raise Refused(f"{settings.root}/current leads to no release; apply the keep's `agent` phase")


def check(settings: Settings, release: str) -> str:
    """Return the folder of the release's agent-runner. Raises Refused when it was changed.

    Reading a hundred megabytes for each message would take longer than all the rest, so what was
    compared once is known by its files' times, which nobody but root can turn back.
    """
    agent = release + "/agent"
    try:
        now = _signature(agent)
        known = _known(settings)
        if known.get(release) != now:
            _verify(agent)
            # The main group reads all of it. Who may write there is ours to say, so once will do.
            _signature(release)
            known[release] = now
            _remember(settings, known)
        if not os.path.isfile(agent + "/dist/index.js"):
            raise Refused(f"{agent}/dist/index.js is absent; build the release again")
    except OSError as error:
        raise Refused(f"{agent}: {error}; build the release again") from None
    return agent


def _verify(agent: str) -> None:
    try:
        verify(agent)
    except PathsError as error:
        raise Refused(str(error)) from None


def _signature(top: str) -> str:
    """Return one text for all that a file system knows of the files but their contents.

    Raises Refused when anybody but us may write there, and OSError.
    """
    lines, ours, rest = [], (0, os.getuid()), [top]
    while rest:
        with os.scandir(rest.pop()) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    rest.append(entry.path)
                if info.st_uid not in ours or (info.st_mode & 0o022 and not entry.is_symlink()):
                    raise Refused(f"{entry.path}: others may write it; build the release again")
                facts = (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
                lines.append(f"{entry.path}\0{facts}\n")
    return hashlib.sha256("".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()


def _known(settings: Settings) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        with open(settings.state + "/verified.json", encoding="utf-8") as file:
            known = json.load(file)
        return {path: mark for path, mark in known.items() if os.path.isdir(path)}
    return {}


def _remember(settings: Settings, known: dict[str, str]) -> None:
    path = settings.state + "/verified.json"
    beside = f"{path}.{os.getpid()}"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(known, file)
    os.replace(beside, path)
