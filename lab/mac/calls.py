"""The lab's record of what was called, and the brake that tests pull.

Every stand-in calls `record` once, before it does anything. Tests then read what a run did, and a
run can be stopped dead between any two calls: that is how "killed at any point" is tried.
"""

import fcntl
import json
import os
import pwd
import time
from typing import Any

LOG_FOLDER = "/System/Lab/log"
MACHINE_FILE = "/System/Lab/machine.json"
HOLD_POLL_S = 0.02


def machine() -> str:
    """Name this machine as the log does: `host`, `guest:<vm>`, or `?` outside a lab."""
    try:
        with open(MACHINE_FILE, encoding="utf-8") as file:
            facts = json.load(file)
    except OSError:
        return "?"
    return f"guest:{facts['name']}" if facts["role"] == "guest" else "host"


def record(argv: list[str], *, mutates: bool, **extra: Any) -> None:
    """Append one call to the lab's log; do nothing where there is no such log.

    `mutates` is False for calls that only read. `extra` must be plain JSON. Secrets that travel on
    stdin never belong here; argv does, as `ps` would show it.
    """
    try:
        log = open(f"{LOG_FOLDER}/calls.jsonl", "ab+")  # noqa: SIM115 - closed by the `with` below
    except OSError:
        return
    entry = {
        "t": time.time(),
        "machine": machine(),
        "user": _user(),
        "pid": os.getpid(),
        "argv": argv,
        "mutates": mutates,
        **extra,
    }
    with log:
        fcntl.flock(log, fcntl.LOCK_EX)
        log.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        log.flush()
        held = _held_from()
        lines = _count_lines(log.fileno()) if held is not None else 0
    if held is not None and held <= lines:
        while _held_from() is not None:
            time.sleep(HOLD_POLL_S)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _held_from() -> int | None:
    """Return the line number from which calls are held, or None when nobody holds them."""
    try:
        with open(f"{LOG_FOLDER}/hold", encoding="ascii") as file:
            return int(file.read() or 0)
    except OSError:
        return None


def _count_lines(descriptor: int) -> int:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).count(b"\n")
