"""What is done in the guest around a snapshot. Runs there as root, on its own Python 3.9.

Sent on stdin after `QUESTION = {...}`; prints one line, "@" and a JSON object. Of two that run at a
time the second waits: one whose sender was killed may still be at work.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import pwd
import subprocess
import time
from typing import Any

STATE = "/opt/nanoclaw/state"
RUNS = "/opt/nanoclaw/runs"
CURRENT = "/opt/nanoclaw/current"
LABEL = "com.nanoclaw"
LOCK = "/private/var/run/clawkeep-snapshot.lock"
TAIL = 1 << 20
GONE_S = 45.0
"""NanoClaw gets 30 s to end, its agents ten after it. Source: reference/nanoclaw.md §3.2."""

#: Run as NanoClaw's user on its own databases, where no agent writes: SQLite can be let at them.
COUNT = """
import glob, json, os, sqlite3, sys
found, root = {}, sys.argv[1]
for path in sorted(glob.glob(root + "/store/*.db") + glob.glob(root + "/data/*.db"))[:50]:
    name = os.path.relpath(path, root)
    try:
        with sqlite3.connect("file:" + path + "?mode=ro", uri=True, timeout=20) as db:
            words = db.execute("PRAGMA integrity_check").fetchone()[0]
            names = [row[0] for row in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
            rows = sum(db.execute('SELECT count(*) FROM "%s"' % n.replace('"', '""')).fetchone()[0]
                       for n in names)
        found[name] = {"rows": rows, "check": words}
    except sqlite3.Error as error:
        found[name] = {"rows": 0, "check": str(error)}
print(json.dumps(found))
"""


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
    """Let agents answer, end NanoClaw and them, and have the guest write all that it holds."""
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
    flush()
    return {**found, "drained": "; ".join(words)}


def flush() -> None:
    """Have opendirectoryd write what it holds in memory (reference/macos.md §5), and the disk."""
    run("/usr/bin/killall", "opendirectoryd")
    time.sleep(0.5)
    wait(lambda: run("/usr/bin/id", "root")[0] == 0, 20)
    os.sync()


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
    databases: dict[str, Any] = {}
    if user is not None:
        command = ["/usr/bin/sudo", "-n", "-u", user.pw_name, "/usr/bin/python3", "-I", "-c"]
        status, text = run(*command, COUNT, STATE, timeout_s=300)
        databases = json.loads(text) if status == 0 else {"?": {"rows": 0, "check": text[-200:]}}
        if os.path.islink(CURRENT):
            release = os.path.basename(os.readlink(CURRENT))
    return {
        "macos": run("/usr/bin/sw_vers", "-productVersion")[1].strip(),
        "release": release,
        "databases": databases,
        "groups": len(glob.glob(f"{STATE}/groups/*")),
        "agent": pid(user) if user is not None else "",
    }


def main(question: dict[str, Any]) -> None:
    """Answer one question."""
    with open(LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if question["do"] == "drain":
            answer = drain(float(question["most_s"]))
        else:
            answer = {"resume": resume, "look": look}[question["do"]]()
    print("@" + json.dumps(answer), flush=True)
