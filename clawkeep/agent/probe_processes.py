"""What runs in the guest: processes and launchd's jobs. Runs there, on its own Python 3.9."""

import contextlib
import os
import pwd
import subprocess
import time

SHOWN = 20
MOMENT_S = 0.5
LSOF = "/usr/sbin/lsof"


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


def hosts(table, root, users):
    """Return all that is a NanoClaw, however it was started.

    Known by its program `dist/index.js`, of this user or out of our releases; or as a Node of this
    user's that has the database open, which a start from the sources has, too.
    """
    agents = set(uids(users))
    database = os.path.join(root, "state/store/messages.db")
    found = []
    for process in table.values():
        mine, script = process["uid"] == os.getuid(), program(process["command"])
        ours = script.startswith(root + "/")
        if script.endswith("dist/index.js") and (mine or ours) and process["uid"] not in agents:
            folder = cwd(process["pid"]) if mine else ""
            held = connections(process["pid"]) if mine else None
            script = os.path.join(folder, script)
            found.append({**process, "program": script, "cwd": folder, "connections": held})
    known = {process["pid"] for process in found}
    for pid in openers(database) - known:
        process = table.get(pid, {"command": ""})
        if os.path.basename(process["command"].split(" ")[0]) in ("node", "bun", "tsx"):
            found.append({**process, "program": process["command"][:200], "cwd": cwd(pid)})
    return found[:SHOWN]


def connections(pid):
    """Count a process's TCP connections that leave this machine; None when that is unknown."""
    try:
        command = [LSOF, "-w", "-nP", "-a", "-p", str(pid), "-iTCP", "-sTCP:ESTABLISHED", "-Fn"]
        _, text, error = run(command)
    except (OSError, subprocess.SubprocessError):
        return None
    if error.strip() and not text:
        return None
    ends = [line.partition("->")[2] for line in text.splitlines() if line.startswith("n")]
    return sum(1 for end in ends if end and not end.startswith(("127.", "[::1]")))


def program(command):
    """Return the script that an interpreter runs, by its command line."""
    return next((word for word in command.split()[1:] if not word.startswith("-")), "")


def openers(path):
    """Return the pids of this user's processes that have a file open; none when that is unknown."""
    try:
        _, text, _ = run([LSOF, "-t", "--", path])
    except (OSError, subprocess.SubprocessError):
        return set()
    return {int(word) for word in text.split() if word.isdigit()}


def uids(users):
    """Return the names of those users that there are, by uid."""
    found = {}
    for user in users:
        with contextlib.suppress(KeyError):
            found[pwd.getpwnam(user).pw_uid] = user
    return found


def cwd(pid):
    """Return the folder that a process is in, "" when that cannot be learned."""
    try:
        _, text, _ = run([LSOF, "-a", "-p", str(pid), "-d", "cwd", "-Fn"])
    except (OSError, subprocess.SubprocessError):
        return ""
    return next((line[1:] for line in text.splitlines() if line.startswith("n")), "")


def strays(table, users):
    """Return agents' processes that no living runtime is an ancestor of."""
    agents = uids(users)
    return [
        {**process, "user": agents[process["uid"]]}
        for process in table.values()
        if process["uid"] in agents and not supervised(process, table)
    ]


def lasting_strays(table, users):
    """Return the strays that are still there a moment later: a run that ends leaves some behind."""
    first = strays(table, users)
    if not first:
        return first
    time.sleep(MOMENT_S)
    known = {process["pid"] for process in first}
    found = [process for process in strays(processes(), users) if process["pid"] in known]
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
