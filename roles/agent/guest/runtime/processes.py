"""Processes by pid and start, and what only an agent's own user can do to its processes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from roles.agent.guest.runtime.settings import PROGRAM

PS = "/bin/ps"
SUDO = ("/usr/bin/sudo", "-n", "-u")
PYTHON = ("/usr/bin/python3", "-IS")
#: Linux reckons a start from the clock's present setting, so it may move by a second.
SAME_S = 2
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def as_agent(agent: str, *words: str) -> list[str]:
    """Return the command line that runs one of our own `__` verbs as an agent's user."""
    return [*SUDO, agent, "--", *PYTHON, PROGRAM, *words]


def ask_agent(agent: str, *words: str, timeout_s: float = 30) -> str:
    """Run such a verb; return "" when it did its work, else what it said."""
    try:
        done = subprocess.run(
            as_agent(agent, *words),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    text = (done.stderr or done.stdout).decode(errors="replace").strip()
    return text[-500:] or f"{words[0]}: exit status {done.returncode}"


def started(pids: Iterable[int]) -> dict[int, int]:
    """Return when each process that lives began, in seconds since 1970; ps may be another's."""
    import datetime  # noqa: PLC0415 - slow to load, and no agent waits for it here

    found = {}
    # One -o each: to BSD's ps all that follows an equals sign is a heading.
    for line in _ps("-o", "pid=", "-o", "lstart=", "-p", ",".join(str(pid) for pid in pids)):
        pid, _, month, day, clock, year = line.split()
        hour, minute, second = (int(part) for part in clock.split(":"))
        utc = datetime.timezone.utc
        begun = datetime.datetime(
            int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=utc
        )
        found[int(pid)] = int(begun.timestamp())
    return found


def is_same(begun: int, noted: int) -> bool:
    """Whether a process that began then is the one that was noted, and no later of its number."""
    return abs(begun - noted) <= SAME_S


def memory_mb(uid: int) -> int:
    """Return the resident memory of all that a user runs, in MB."""
    return sum(int(line) for line in _ps("-o", "rss=", "-u", str(uid))) // 1024


def _ps(*words: str) -> list[str]:
    done = subprocess.run(
        [PS, *words],
        env={"LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
        check=False,
    )
    return done.stdout.decode().splitlines()
