"""Runs in the guest as NanoClaw's user, on its own Python 3.9: what health asks, in one round trip.

Sent on stdin after the modules of `clawkeep.agent` that it uses. It judges nothing and prints one
line: `@` and a JSON object. A part that could not be learned is {"error": …}. Much less than
`clawkeep agent status` asks, since it is asked every half minute.
"""

import contextlib
import json
import os
import re
import shutil
import time
from calendar import timegm
from concurrent.futures import ThreadPoolExecutor

from clawkeep.agent import probe
from clawkeep.agent import probe_processes as processes
from clawkeep.agent import probe_state as state

DATA = "/System/Volumes/Data"
"""Where a Mac's files are: / is the sealed system. Source: reference/macos.md §9."""


def main(text):
    """Answer the question `text`, a JSON object, with facts as JSON."""
    question = json.loads(text)
    root = question["root"]
    facts = {"now": time.time(), "machine": probe.part(machine, root)}
    facts["address"] = probe.part(address)
    if question["agent"]:
        facts.update(agent(question, root))
    print("\n@" + json.dumps(facts), flush=True)


def agent(question, root):
    """Return what shows whether NanoClaw works, and what was noted about it."""
    table = probe.part(processes.processes)
    hosts = (
        table if "error" in table else probe.part(processes.hosts, table, root, question["users"])
    )
    with ThreadPoolExecutor(2) as pool:
        turns = pool.submit(probe.part, probe.loop, root, question["wait_s"]) if hosts else None
        answers = pool.submit(probe.part, probe.channel, root) if question["local"] else None
        return {
            "hosts": hosts,
            "release": probe.part(state.release, root),
            "job": probe.part(processes.job, question["label"]),
            "log": probe.part(signs, root),
            "results": probe.part(state.results, root),
            "breaker": probe.part(breaker, root),
            "loop": turns.result() if turns else None,
            "channel": answers.result() if answers else None,
        }


def signs(root):
    """Return what the log job noted of channels, without measuring the logs."""
    with open(os.path.join(root, "state/logs/clean/bookmark.json"), encoding="utf-8") as file:
        return {"signs": json.load(file)["signs"]}


def breaker(root):
    """Return how many starts NanoClaw counts, and when the last of them began; {} when none.

    It writes the file when it starts, then waits, and removes it at an orderly end.
    """
    for name in ("state/data/circuit-breaker.json", "current/data/circuit-breaker.json"):
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(root, name), encoding="utf-8") as file:
                found = json.load(file)
            stamp = re.match(r"(\d+-\d+-\d+T\d+:\d+:\d+)(?:\.\d+)?Z$", str(found["timestamp"]))
            began = timegm(time.strptime(stamp.group(1), "%Y-%m-%dT%H:%M:%S"))
            return {"attempt": found["attempt"], "t": began}
    return {}


def address():
    """Return the address that DHCP gave, "" for none; 169.254.* is one that nobody gave."""
    _, text, _ = processes.run(["/usr/sbin/ipconfig", "getifaddr", "en0"])
    return {"v4": text.strip()}


def machine(root):
    """Return how full this guest is: disk, memory, computing."""
    disks = []
    for path in (DATA if os.path.isdir(DATA) else "/", root + "/state"):
        with contextlib.suppress(OSError):
            usage = shutil.disk_usage(path)
            disks.append({"path": path, "free": usage.free, "total": usage.total})
    _, text, _ = processes.run(["/usr/bin/memory_pressure", "-Q"])
    free = re.search(r"free percentage: *(\d+)%", text)
    return {
        "disks": disks,
        "memory_free": int(free.group(1)) if free else None,
        "load": os.getloadavg()[1],
        "cpus": os.cpu_count(),
    }
