"""Runs in the guest as NanoClaw's user, on its own Python 3.9: collects what can be seen of it.

Sent on stdin with one more line that calls `main`. It judges nothing: it prints one JSON object of
facts, and a part that could not be learned is {"error": …}. It changes nothing but for one file
that proves the loop: NanoClaw removes a message of a kind that it does not know within a second,
without a word, in 1.0, 1.1 and 1.2 alike.
"""

import contextlib
import json
import os
import pwd
import socket
import sqlite3
import subprocess
import time

MANY = 10000
"""Files that are looked at in one folder; agents can write in some of them."""

SHOWN = 20
LSOF = "/usr/sbin/lsof"
PROBE = "clawkeep-probe"


def run(command, timeout_s=8):
    """Return (exit status, stdout, stderr) of a command."""
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"},
        check=False,
    )
    texts = [stream.decode(errors="replace") for stream in (done.stdout, done.stderr)]
    return (done.returncode, *texts)


def processes():
    """Return all processes by pid."""
    columns = "pid=,ppid=,uid=,etime=,command="
    status, text, error = run(["/bin/ps", "-axww", "-o", columns])
    if status:
        raise OSError("ps: %s" % error.strip())
    found = {}
    for line in text.splitlines():
        words = line.split(None, 4)
        if len(words) == 5:
            pid, parent, uid = (int(word) for word in words[:3])
            found[pid] = {
                "pid": pid, "parent": parent, "uid": uid, "age_s": seconds(words[3]),
                "command": words[4][:1000],
            }  # fmt: skip
    return found


def seconds(etime):
    """Read what ps prints for `etime`: [[days-]hours:]minutes:seconds."""
    days, _, clock = etime.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    hours, minutes, rest = [0] * (3 - len(parts)) + parts
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + rest


def hosts(table):
    """Return NanoClaw's own processes: of this user, a program `…/dist/index.js`."""
    found = []
    for process in table.values():
        words = process["command"].split()
        if process["uid"] == os.getuid() and len(words) > 1 and words[1].endswith("/dist/index.js"):
            found.append({**process, "program": words[1], "cwd": cwd(process["pid"])})
    return found[:SHOWN]


def cwd(pid):
    """Return the folder that a process is in, "" when that cannot be learned."""
    try:
        _, text, _ = run([LSOF, "-a", "-p", str(pid), "-d", "cwd", "-Fn"])
    except (OSError, subprocess.SubprocessError):
        return ""
    return next((line[1:] for line in text.splitlines() if line.startswith("n")), "")


def strays(table, users):
    """Return agents' processes that no living runtime is an ancestor of."""
    uids = {}
    for user in users:
        with contextlib.suppress(KeyError):
            uids[pwd.getpwnam(user).pw_uid] = user
    found = [
        {**process, "user": uids[process["uid"]]}
        for process in table.values()
        if process["uid"] in uids and not supervised(process, table)
    ]
    return found[:SHOWN]


def supervised(process, table):
    """Tell whether one of the process's ancestors is `docker run` of our runtime, this user's."""
    seen = set()
    while process and process["pid"] not in seen:
        seen.add(process["pid"])
        words = process["command"].split()
        if process["uid"] == os.getuid():
            runtimes = ("/bin/docker", "/bin/container")
            pairs = zip(words, words[1:])  # noqa: RUF007 - no pairwise before Python 3.10
            if any(program.endswith(runtimes) and verb == "run" for program, verb in pairs):
                return True
        process = table.get(process["parent"])
    return False


def job(label):
    """Return what launchd says of a job. Only a few words are read: `print` is no interface."""
    status, text, _ = run(["/bin/launchctl", "print", "gui/%d/%s" % (os.getuid(), label)])
    facts = {"label": label, "loaded": status == 0}
    for line in text.splitlines():
        name, equals, value = line.strip().partition(" = ")
        if equals and name in ("state", "pid", "last exit code", "runs"):
            facts.setdefault(name.replace(" ", "_"), value[:100])
    return facts


def loop(root, wait_s):
    """Leave NanoClaw a message that it is to throw away; tell how long that took it."""
    folder = os.path.join(root, "state/data/ipc", PROBE, "messages")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    name = os.path.join(folder, "%d-%d.json" % (os.getpid(), time.time_ns()))
    with open(name + "~", "w", encoding="utf-8") as file:
        json.dump({"type": PROBE}, file)
    os.rename(name + "~", name)
    started = time.monotonic()
    try:
        while time.monotonic() - started < wait_s:
            if not os.path.exists(name):
                return {"ok": True, "ms": round((time.monotonic() - started) * 1000)}
            time.sleep(0.05)
        return {"ok": False, "waited_s": wait_s}
    finally:
        if os.path.exists(name):
            os.unlink(name)


def channel(root):
    """Ask our own channel, which lives in NanoClaw's process."""
    started = time.monotonic()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(4)
        sock.connect(os.path.join(root, "state/local.sock"))
        sock.sendall(b'{"type":"ping"}\n')
        facts = {}
        with sock.makefile("rb") as file:
            while True:
                line = file.readline(4096)
                if not line:
                    raise OSError("it was closed without a word")
                frame = json.loads(line)
                if frame.get("type") == "hello":
                    facts["pid"] = frame.get("pid")
                elif frame.get("type") == "pong":
                    return {**facts, "ms": round((time.monotonic() - started) * 1000)}


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


def queue(root):
    """Return the messages that NanoClaw should have taken up, and its tasks."""
    path = os.path.join(root, "state/store/messages.db")
    database = sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=3)
    try:
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
    finally:
        database.close()


def runs(root, program):
    """Return what the runtime says runs, and folders of runs that it does not know."""
    status, text, error = run([program, "ps", "--format", "json"], timeout_s=15)
    if status:
        raise OSError("%s ps: exit status %d: %s" % (program, status, error.strip()[:200]))
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    names = {row.get("Names") for row in rows}
    folder = os.path.join(root, "runs")
    left = [name for name in os.listdir(folder) if not name.startswith(".") and name not in names]
    return {"running": rows[:SHOWN], "count": len(rows), "left": sorted(left)[:SHOWN]}


def release(root):
    """Return what is installed and activated."""
    with open(os.path.join(root, "state/release.json"), encoding="utf-8") as file:
        facts = json.load(file)
    link = os.path.join(root, "current")
    facts["current"] = os.path.realpath(link) if os.path.islink(link) else ""
    return facts


def part(collect, *arguments):
    """Return what `collect` returns; why it could not is an answer, too."""
    try:
        return collect(*arguments)
    except Exception as error:  # noqa: BLE001
        return {"error": "%s: %s" % (type(error).__name__, error)}


def main(text):
    """Answer the question `text`, a JSON object, with facts as JSON."""
    question = json.loads(text)
    root = question["root"]
    facts = {
        "now": time.time(),
        "release": part(release, root),
        "job": part(job, question["label"]),
        "log_job": part(job, question["log_label"]),
        "channel": part(channel, root) if question["local"] else None,
        "log": part(log, root),
        "results": part(results, root),
        "ipc": part(ipc, root),
        "queue": part(queue, root),
        "runs": part(runs, root, question["runtime"]),
    }
    table = part(processes)
    if "error" in table:
        facts["hosts"] = facts["strays"] = table
    else:
        facts["hosts"] = part(hosts, table)
        facts["strays"] = part(strays, table, question["users"])
    # Last: it may wait.
    facts["loop"] = part(loop, root, question["wait_s"]) if facts["hosts"] else None
    print(json.dumps(facts), flush=True)
