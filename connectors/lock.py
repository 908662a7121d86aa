"""One run at a time per host: two would interleave."""

from __future__ import annotations

import fcntl
import os
import sys
from typing import IO

from clawkeep import state

_held: dict[str, IO[str]] = {}


def held(host: str) -> None:
    """Take the host's lock for the life of this process, or end it with the holder's pid.

    The kernel drops the lock with the process, however that ends. Exits with status 75.
    """
    if host in _held:
        return
    path = state.folder(host) / "lock"
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        sys.stderr.write(f"{host}: another run is at work (pid {holder}); wait for it, or end it\n")
        sys.stderr.flush()
        os._exit(75)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    _held[host] = file
