"""What lsof and a bridge's log say about it: its listener, its connections, what went wrong last.

Pure but for `tail`, which reads a log that the bridge user may write: as root, so with care.
"""

from __future__ import annotations

import calendar
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clawkeep.onhost.plain import plain

#: Only this much of a log's end is read.
TAIL = 4 * 1024 * 1024

STAMP = r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)"
LINE = re.compile(rf"{STAMP}(?:\.\d{{6}})? bridge-[a-z0-9-]+\[(\d{{1,9}})\] ([A-Z]) (.*)")
ACCEPT = re.compile(r"accepting connection from AF=2 ([\d.]+:\d+) on AF=2 [\d.]+:\d+")
OURS = re.compile(rf"{STAMP} [a-z0-9-]+: (.*)")


@dataclass(frozen=True, slots=True)
class Socket:
    """One TCP socket of the bridge user: `peer` is empty for a listener."""

    pid: int
    local: str
    peer: str
    state: str


@dataclass(frozen=True, slots=True)
class Log:
    """What a log says about one listener: `since` maps peers to Unix seconds.

    `whole` is False when the log was longer than what was read, so that `accepted` is a minimum.
    """

    accepted: int
    since: dict[str, float]
    error: str = ""
    whole: bool = True


def sockets(text: str) -> Iterator[Socket]:
    """Read `lsof -nP -iTCP -F pnT`: a process, then its files, each with a name and a state."""
    pid, name = 0, ""
    for line in text.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p" and value.isdecimal():
            pid, name = int(value), ""
        elif kind == "f":
            name = ""
        elif kind == "n":
            name = value
        elif kind == "T" and value.startswith("ST=") and name:
            local, _, peer = name.partition("->")
            yield Socket(pid, local, peer, value.removeprefix("ST="))


def read_log(lines: Iterable[str], listener: int | None, *, whole: bool = True) -> Log:
    """Read a socat log of `-d -d`: what process `listener` has accepted, and the last error.

    Source: reference/macos.md §3.
    """
    accepted, since, error = 0, dict[str, float](), ""
    for line in lines:
        match = LINE.fullmatch(line)
        if match is None:
            continue
        stamp, pid, level, text = match.groups()
        if level in "EF" or (level == "W" and "exiting on signal" not in text):
            error = plain(f"{stamp} {text}")
        elif listener == int(pid) and (peer := ACCEPT.fullmatch(text)):
            accepted += 1
            since[peer[1]] = _seconds(stamp)
    return Log(accepted, since, error, whole)


def last_words(lines: Iterable[str]) -> str:
    """Return what `clawkeep bridge` itself said last."""
    said = ""
    for line in lines:
        if OURS.fullmatch(line):
            said = plain(line)
    return said


def tail(path: Path) -> tuple[list[str], bool]:
    """Return the last lines of a log, and whether these are all; none for anything but a file.

    Never follows a link: the folder is the bridge user's.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return [], True
    with os.fdopen(handle, "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            return [], True
        start = max(0, state.st_size - TAIL)
        file.seek(start)
        lines = file.read(TAIL).decode("utf-8", "replace").splitlines()
    return lines[1:] if start else lines, not start


def _seconds(stamp: str) -> float:
    try:
        return calendar.timegm(time.strptime(stamp, "%Y/%m/%d %H:%M:%S"))
    except (ValueError, OverflowError):
        return 0.0
