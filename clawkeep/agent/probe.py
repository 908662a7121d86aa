"""Runs in the guest as NanoClaw's user, on its own Python 3.9: collects what can be seen of it.

Sent on stdin, with the modules that it imports. It judges nothing: it prints one JSON object of
facts, and a part that could not be learned is {"error": …}. It changes nothing but for one file
that proves the loop: NanoClaw removes a message of a kind that it does not know within a second,
without a word, in 1.0, 1.1 and 1.2 alike.
"""

import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from clawkeep.agent import probe_processes as processes
from clawkeep.agent import probe_state as state


def loop(root, wait_s):
    """Leave NanoClaw a message that it is to throw away; tell how long that took it."""
    folder = os.path.join(root, "state/data/ipc", state.PROBE, "messages")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    name = os.path.join(folder, "%d-%d.json" % (os.getpid(), time.time_ns()))
    with open(name + "~", "w", encoding="utf-8") as file:
        json.dump({"type": state.PROBE}, file)
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


def part(collect, *arguments):
    """Return what `collect` returns; why it could not is an answer, too."""
    try:
        return collect(*arguments)
    except Exception as error:  # noqa: BLE001
        return {"error": "%s: %s" % (type(error).__name__, error)}


def seen_processes(root, users):
    """Return NanoClaw's processes, and those of agents that nobody looks after."""
    table = part(processes.processes)
    if "error" in table:
        return {"hosts": table, "strays": table}
    return {
        "hosts": part(processes.hosts, table, root, users),
        "strays": part(processes.lasting_strays, table, users),
    }


def main(text):
    """Answer the question `text`, a JSON object, with facts as JSON."""
    question = json.loads(text)
    root = question["root"]
    now = time.time()
    # First: our question to the runtime makes it end what it finds orphaned.
    facts = seen_processes(root, question["users"])
    ask_loop = facts["hosts"] and question["wait_s"]
    with ThreadPoolExecutor(3) as pool:
        # A program of its own, which takes as long as all that follows.
        runs = pool.submit(part, state.runs, root, question["runtime"])
        # Those two wait for NanoClaw, which may hang.
        turns = pool.submit(part, loop, root, question["wait_s"]) if ask_loop else None
        answers = pool.submit(part, channel, root) if question["local"] else None
        facts.update({
            "now": now,
            "release": part(state.release, root),
            "job": part(processes.job, question["label"]),
            "log_job": part(processes.job, question["log_label"]),
            "log": part(state.log, root),
            "results": part(state.results, root),
            "ipc": part(state.ipc, root),
            "database": part(state.database, root),
            "queue": part(state.queue, root),
        })  # fmt: skip
        facts["runs"] = runs.result()
        facts["loop"] = turns.result() if turns else None
        facts["channel"] = answers.result() if answers else None
    look_again(facts["hosts"])
    print(json.dumps(facts), flush=True)


def look_again(hosts):
    """Count connections anew where there was none: one that was lost may have come back."""
    for process in hosts if isinstance(hosts, list) else []:
        if process.get("connections") == 0:
            process["connections"] = processes.connections(process["pid"])
