"""NanoClaw's side of bench/agent.py, in the guest as its user: Python 3.9, standard library.

Usage: agent_client.py TURNS. Prints one JSON object: for "bare" and for "runtime" the seconds from
the start of the process to the end marker of its answer, those from `_close` to its end, and those
of CPU time that it and all that it waited for have used.
"""

import json
import os
import plistlib
import shutil
import subprocess
import sys
import time

ROOT = "/opt/nanoclaw"
STATE, GROUP = ROOT + "/state", "main"
RELEASE = os.path.realpath(ROOT + "/current")
JOB = "/Users/claw/Library/LaunchAgents/com.nanoclaw.plist"
BARE = "/Users/claw/bare"
START, END = b"---NANOCLAW_OUTPUT_START---", b"---NANOCLAW_OUTPUT_END---"
REQUEST = json.dumps({"prompt": "hello", "groupFolder": GROUP, "chatJid": "bench", "isMain": True})


def job():
    """Return the environment of NanoClaw's job: the proxy's address is in it, and a PATH."""
    with open(JOB, "rb") as file:
        return {**plistlib.load(file)["EnvironmentVariables"], "USER": "claw"}


def bare(environment):
    """Return what runs the agent-runner as nobody but ourselves, and its ipc folder."""
    for folder in ("group", "ipc/input", "ipc/messages", "ipc/tasks", "home/.claude", "tmp"):
        os.makedirs(f"{BARE}/{folder}", exist_ok=True)
    with open(STATE + "/credentials") as file:
        environment = {**environment, **json.load(file)}
    with open("/etc/clawkeep/runtime.json") as file:
        node = json.load(file)["node"]
    environment.update(HOME=BARE + "/home", TMPDIR=BARE + "/tmp")
    return [node, RELEASE + "/agent/dist/index.js"], environment, BARE + "/ipc"


def runtime(environment):
    """Return the command line that NanoClaw 1.2 writes for its main group, likewise."""
    mounts = [
        RELEASE + ":/workspace/project:ro",
        f"{RELEASE}/store:/workspace/project/store",
        f"{RELEASE}/groups/{GROUP}:/workspace/group",
        f"{RELEASE}/groups/global:/workspace/global",
        f"{RELEASE}/data/sessions/{GROUP}/.claude:/home/node/.claude",
        f"{RELEASE}/data/ipc/{GROUP}:/workspace/ipc",
        f"{RELEASE}/data/sessions/{GROUP}/agent-runner-src:/app/src",
    ]
    words = ["docker", "run", "-i", "--rm", "--name", f"nanoclaw-main-{time.time_ns()}"]
    words += ["-e", "TZ=" + environment.get("TZ", "UTC")]
    for mount in mounts:
        words += ["-v", mount]
    words.append("nanoclaw-agent:latest")
    return words, {**environment, "HOME": "/Users/claw"}, f"{STATE}/data/ipc/{GROUP}"


def one(command, environment, close):
    """Run an agent until it has answered and ended; return its seconds, as they are printed."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=environment, cwd=RELEASE,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write(REQUEST.encode())
    process.stdin.close()
    said = b""
    while not answered(said):
        data = os.read(process.stdout.fileno(), 1 << 16)
        if not data:
            sys.exit(f"{command}: no answer: {said!r} {process.stderr.read()!r}")
        said += data
    answer_s = time.monotonic() - began
    began = time.monotonic()
    with open(close, "w"):
        pass
    process.stdout.read()
    process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command}: ended with {status}")
    return answer_s, time.monotonic() - began, used.ru_utime + used.ru_stime


def answered(said):
    """Whether there is an answer of the model; anything else ends the benchmark."""
    for piece in said.split(START)[1:]:
        text, marker, _ = piece.partition(END)
        result = json.loads(text)["result"] if marker else None
        if result is not None:
            if not result.startswith("You said: hello"):
                sys.exit(f"no answer: {result}")
            return True
    return False


def main():
    """Take both ways in turn, after one turn of each that is not counted."""
    environment = job()
    os.environ["PATH"] = environment["PATH"]
    found = {"bare": [], "runtime": []}
    for turn in range(int(sys.argv[1]) + 1):
        for name, how in (("bare", bare), ("runtime", runtime)):
            command, variables, ipc = how(environment)
            seconds = one(command, variables, ipc + "/input/_close")
            found[name] += [seconds] if turn else []
    shutil.rmtree(BARE, ignore_errors=True)
    print(json.dumps(found))


main()
