"""What is done in the guest around a snapshot. Runs there as NanoClaw's user, on Python 3.9.

Sent on stdin with a call of `main` behind it; prints one line, "@" and a JSON object. Of two that
run at a time the second waits: one whose sender was killed may still be at work.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import json
import os
import pwd
import sqlite3
import subprocess
import time
from typing import Any
from urllib.parse import quote

STATE = "/opt/nanoclaw/state"
RUNS = "/opt/nanoclaw/runs"
CURRENT = "/opt/nanoclaw/current"
LABEL = "com.nanoclaw"
LOCK = ".clawkeep-snapshot.lock"
"""In the home: nobody else can put a link there."""

TAIL = 1 << 20
MOST = 50
COUNT = 'SELECT count(*) FROM "{}"'
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
GONE_S = 45.0
"""NanoClaw gets 30 s to end, its agents ten after it. Source: reference/nanoclaw.md §3.2."""


def run(*command: str, timeout_s: float = 60) -> tuple[int, str]:
    """Return exit status and output of a program; one that hangs has failed."""
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=timeout_s, stdin=subprocess.DEVNULL, check=False,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}, cwd="/",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, done.stdout.decode(errors="replace")


def owner() -> pwd.struct_passwd | None:
    """Return the user that NanoClaw runs as, None for a guest without it."""
    try:
        return pwd.getpwuid(os.stat(STATE).st_uid)
    except (OSError, KeyError):
        return None


def target(user: pwd.struct_passwd) -> str:
    """Return NanoClaw's job as launchctl names it."""
    return f"gui/{user.pw_uid}/{LABEL}"


def loaded(user: pwd.struct_passwd) -> bool:
    """Tell whether launchd knows the job."""
    return run("/bin/launchctl", "print", target(user))[0] == 0


def pid(user: pwd.struct_passwd) -> str:
    """Return the job's process, "" when it has none."""
    for line in run("/bin/launchctl", "print", target(user))[1].splitlines():
        name, _, value = line.strip().partition(" = ")
        if name == "pid":
            return value
    return ""


def live() -> list[str]:
    """Return the names of the agents' runs that are not over: each has a folder until then."""
    try:
        return sorted(name for name in os.listdir(RUNS) if not name.startswith("."))
    except OSError:
        return []


def unanswered() -> list[str]:
    """Return the live runs of which the runtime has noted a start, and no answer since."""
    running, waiting = set(live()), set()
    if not running:
        return []
    try:
        with open(STATE + "/logs/runtime.jsonl", "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
            lines = file.read().splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            event = json.loads(line)
            name, what = event["name"], event["event"]
        except (ValueError, TypeError, KeyError):
            continue
        if what == "start":
            waiting.add(name)
        elif what in {"result", "end", "reaped", "abandoned"}:
            waiting.discard(name)
    return sorted(running & waiting)


def wait(over: Any, most_s: float) -> bool:
    """Wait until `over()`, at most so long; return whether it came to that."""
    deadline = time.monotonic() + most_s
    while not over():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.2)
    return True


def drain(most_s: float) -> dict[str, Any]:
    """Let agents answer, end NanoClaw and them, and have the disk take what was written."""
    words = []
    user = owner()
    if user is not None:
        if not wait(lambda: not unanswered(), most_s):
            words.append(f"had not answered after {most_s:.0f} s: {', '.join(unanswered())}")
        run("/bin/launchctl", "bootout", target(user))
        if not wait(lambda: not loaded(user), GONE_S):
            words.append("NanoClaw did not end")
        if not wait(lambda: not live(), GONE_S):
            words.append(f"did not end: {', '.join(live())}")
    found = look()
    # opendirectoryd writes what it holds when the shutdown ends it. Source: reference/macos.md §5.
    os.sync()
    return {**found, "drained": "; ".join(words)}


def resume() -> dict[str, Any]:
    """Have NanoClaw's job loaded again, if there is one."""
    user = owner()
    if user is not None:
        plist = f"{user.pw_dir}/Library/LaunchAgents/{LABEL}.plist"
        if os.path.exists(plist) and not loaded(user):
            run("/bin/launchctl", "bootstrap", f"gui/{user.pw_uid}", plist)
    return {}


def look() -> dict[str, Any]:
    """Return what this guest is, and whether its agent's databases are whole."""
    user, release = owner(), ""
    if user is not None and os.path.islink(CURRENT):
        release = os.path.basename(os.readlink(CURRENT))
    return {
        "macos": run("/usr/bin/sw_vers", "-productVersion")[1].strip(),
        "release": release,
        "databases": databases() if user is not None else {},
        "agent": pid(user) if user is not None else "",
    }


def databases() -> dict[str, Any]:
    """Check NanoClaw's own databases, and count their rows.

    No others: where agents write, SQLite is not let at what they prepared.
    """
    found = {}
    paths = glob.glob(f"{STATE}/store/*.db") + glob.glob(f"{STATE}/data/*.db")
    for path in sorted(paths)[:MOST]:
        try:
            uri = f"file:{quote(path)}?mode=ro"
            with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=20)) as db:
                check = str(db.execute("PRAGMA integrity_check").fetchone()[0])
                tables = [row[0] for row in db.execute(TABLES)]
                counts = (db.execute(COUNT.format(name.replace('"', '""'))) for name in tables)
                rows = sum(count.fetchone()[0] for count in counts)
        except sqlite3.Error as error:
            rows, check = 0, str(error)
        found[os.path.relpath(path, STATE)] = {"rows": rows, "check": check}
    return found


def main(question: dict[str, Any]) -> None:
    """Answer one question."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(f"{home}/{LOCK}", flags, 0o600)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if question["do"] == "drain":
            answer = drain(float(question["most_s"]))
        else:
            answer = {"resume": resume, "look": look}[question["do"]]()
    print("@" + json.dumps(answer), flush=True)
