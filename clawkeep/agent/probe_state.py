"""What NanoClaw has in its files: queues, results, releases. Runs in the guest, on Python 3.9."""

import contextlib
import json
import os
import sqlite3
import time

from clawkeep.agent.probe_processes import run

MANY = 10000
"""Files that are looked at in one folder; agents can write in some of them."""

SHOWN = 20
CHECK_S = 3
PROBE = "clawkeep-probe"
"""The folder of IPC in which the loop is tried."""


def log(root):
    """Return what the log job noted, and the space that the logs take."""
    folder = os.path.join(root, "state/logs")
    size = 0
    for top, _, names in os.walk(folder):
        for name in names[:MANY]:
            size += os.lstat(os.path.join(top, name)).st_blocks * 512
    with open(os.path.join(folder, "clean/bookmark.json"), encoding="utf-8") as file:
        mark = json.load(file)
    return {
        "bytes": size, "checked": mark["checked"], "flow": mark["flow"], "flood": mark["flood"],
        "signs": mark["signs"],
    }  # fmt: skip


def results(root):
    """Return the last results that the runtime has seen, newest last."""
    found = []
    for name in ("runtime.jsonl.1", "runtime.jsonl"):
        path = os.path.join(root, "state/logs", name)
        if os.path.exists(path):
            with open(path, "rb") as file:
                file.seek(max(0, os.path.getsize(path) - 262144))
                lines = file.read().splitlines()
            for line in lines:
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line) if b'"result"' in line else None)
    found = [each for each in found if isinstance(each, dict) and each.get("event") == "result"]
    changed = [
        os.stat(path).st_mtime
        for path in (os.path.join(root, "state", name) for name in (".env", "credentials"))
        if os.path.exists(path)
    ]
    return {"last": found[-SHOWN:], "credentials_changed": max(changed, default=None)}


def ipc(root):
    """Return how many files wait for NanoClaw, how long the oldest, and what it could not read."""
    top = os.path.join(root, "state/data/ipc")
    now, waiting, oldest = time.time(), 0, 0.0
    for group in os.listdir(top)[:MANY]:
        if group in ("errors", PROBE):
            continue
        for kind in ("messages", "tasks"):
            for age in ages(os.path.join(top, group, kind), now):
                waiting, oldest = waiting + 1, max(oldest, age)
    errors = ages(os.path.join(top, "errors"), now)
    newest = min(errors) if errors else None
    return {"waiting": waiting, "oldest_s": oldest, "errors": len(errors), "newest_error_s": newest}


def ages(folder, now):
    """Return the ages of the JSON files in a folder, in seconds."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".json")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for name in names[:MANY]:
        try:
            found.append(max(0.0, now - os.lstat(os.path.join(folder, name)).st_mtime))
        except FileNotFoundError:
            continue
    return found


@contextlib.contextmanager
def opened(root):
    """Open NanoClaw's database to read."""
    path = os.path.join(root, "state/store/messages.db")
    database = sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=3)
    try:
        yield database
    finally:
        database.close()


def database(root):
    """Open the database and check it, for `CHECK_S` seconds at most."""
    until = time.monotonic() + CHECK_S
    with opened(root) as found:
        facts = {"messages": found.execute("SELECT count(*) FROM messages").fetchone()[0]}
        found.set_progress_handler(lambda: time.monotonic() > until, 10000)
        try:
            facts["check"] = str(found.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            facts["check"] = "too large"
    return facts


def queue(root):
    """Return the messages that NanoClaw should have taken up, and its tasks."""
    with opened(root) as database:
        known = {row[1] for row in database.execute("PRAGMA table_info(registered_groups)")}
        wanted = "SELECT jid FROM registered_groups WHERE requires_trigger = 0 OR folder = 'main'"
        chats = database.execute(
            wanted + " OR is_main = 1" if "is_main" in known else wanted
        ).fetchall()
        row = database.execute(
            "SELECT value FROM router_state WHERE key = 'last_agent_timestamp'"
        ).fetchone()
        taken = json.loads(row[0]) if row else {}
        count, oldest = 0, None
        for (jid,) in chats:
            number, first = database.execute(
                "SELECT count(*), min(timestamp) FROM messages WHERE chat_jid = ? AND timestamp > ?"
                " AND is_bot_message = 0 AND content != ''",
                (jid, taken.get(jid, "")),
            ).fetchone()
            count += number
            oldest = min(filter(None, (oldest, first)), default=None)
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        tasks = database.execute(
            "SELECT count(*), coalesce(sum(next_run < ?), 0) FROM scheduled_tasks"
            " WHERE status = 'active'",
            (now,),
        ).fetchone()
    return {"waiting": count, "oldest": oldest, "tasks": tasks[0], "due": tasks[1]}


def runs(root, program):
    """Return what the runtime says runs, and folders of runs that it does not know."""
    folder = os.path.join(root, "runs")
    before = set(os.listdir(folder))
    status, text, error = run([program, "ps", "--format", "json"], timeout_s=15)
    if status:
        raise OSError("%s ps: exit status %d: %s" % (program, status, error.strip()[:200]))
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    names = {row.get("Names") for row in rows}
    # Neither those that began meanwhile nor those that ended.
    both = before & set(os.listdir(folder))
    left = [name for name in both if not name.startswith(".") and name not in names]
    return {"running": rows[:SHOWN], "count": len(rows), "left": sorted(left)[:SHOWN]}


def release(root):
    """Return what is installed and activated."""
    with open(os.path.join(root, "state/release.json"), encoding="utf-8") as file:
        facts = json.load(file)
    link = os.path.join(root, "current")
    facts["current"] = os.path.realpath(link) if os.path.islink(link) else ""
    return facts
