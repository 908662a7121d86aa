"""Who calls: a process as the kernel describes it, whatever it would say of itself."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import struct
from dataclasses import dataclass

CREDENTIALS = struct.Struct("iII")
NAMESPACES = ("ipc", "mnt", "net", "pid", "user", "uts")
# A caller that differs here from the server could do something else than the server's child.
LIKE_THE_SERVER = ("CapBnd", "NoNewPrivs", "Seccomp")
MODULE = re.compile(r"[a-z_]+(\.[a-z_]+)*")
RESOURCES = range(16)  # RLIM_NLIMITS of Linux
# The interpreter itself ignores the two that are missing.
SIGNALS = frozenset(range(1, 32)) - {
    signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ
}  # fmt: skip
NO_CAPABILITY = "0" * 16
NAME = "for {}"
"""What a child is called (`/proc/PID/comm`), with its caller's pid."""


class NotOursError(Exception):
    """The caller is one that the server cannot stand in for; it has to run the program itself."""


@dataclass(frozen=True)
class Caller:
    """One call: the program, and everything that its process has and the server's has not.

    Attributes:
        module: the stand-in's module, as the script's first line has it.
        arguments: argv of the stand-in, its own path first.
        limits: soft and hard limit of each of RESOURCES.
        ignored: signals that its process ignores, as one started in the background does SIGINT.
    """

    pid: int
    module: str
    arguments: list[str]
    environment: dict[bytes, bytes]
    uid: int
    gid: int
    groups: tuple[int, ...]
    umask: int
    nice: int
    limits: tuple[tuple[int, int], ...]
    ignored: frozenset[int]


def find(connection: socket.socket) -> Caller:
    """Return who is at the other end. Raises NotOursError, or OSError when it is gone.

    The ids at the time of `connect` must be those of the process now, all of them: one that became
    somebody else by executing a program gets nothing of what that somebody may do.
    """
    pid, uid, gid = CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    )
    status, own = _status(pid), _status("self")
    if status["Uid"].split() != [str(uid)] * 4 or status["Gid"].split() != [str(gid)] * 4:
        raise NotOursError("more than one identity")
    if any(status.get(key) != own.get(key) for key in LIKE_THE_SERVER):
        raise NotOursError("restricted")
    if status["CapEff"] != (NO_CAPABILITY if uid else own["CapEff"]):
        raise NotOursError("capabilities")
    if os.readlink(f"/proc/{pid}/root") != "/" or _namespaces(pid) != _namespaces("self"):
        raise NotOursError("elsewhere")
    words = [os.fsdecode(word) for word in _strings(pid, "cmdline")]
    if len(words) < 3 or not MODULE.fullmatch(words[1]):
        raise NotOursError("no stand-in")
    return Caller(
        pid=pid,
        module=words[1],
        arguments=words[2:],
        environment=dict(_variables(pid)),
        uid=uid,
        gid=gid,
        groups=tuple(int(number) for number in status["Groups"].split()),
        umask=int(status["Umask"], 8),
        nice=os.getpriority(os.PRIO_PROCESS, pid),
        limits=tuple(resource.prlimit(pid, number) for number in RESOURCES),
        ignored=frozenset(
            number for number in SIGNALS if int(status["SigIgn"], 16) >> (number - 1) & 1
        ),
    )


def of_child(pid: int) -> int:
    """Return the pid of the process that a child of the server runs for; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as file:
            word = file.read().removeprefix(NAME.format("")).strip()
    except OSError:
        return 0
    return int(word) if word.isdecimal() else 0


def _status(pid: int | str) -> dict[str, str]:
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        rows = (line.partition(":") for line in file)
        return {key: value.strip() for key, _, value in rows}


def _namespaces(pid: int | str) -> list[str]:
    return [os.readlink(f"/proc/{pid}/ns/{name}") for name in NAMESPACES]


def _strings(pid: int, name: str) -> list[bytes]:
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read().split(b"\0")[:-1]


def _variables(pid: int) -> list[tuple[bytes, bytes]]:
    rows = (row.partition(b"=") for row in _strings(pid, "environ"))
    return [(name, value) for name, equals, value in rows if name and equals]
