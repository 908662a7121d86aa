"""What the tests of the guard look at: its events, and whether anything gets through meanwhile."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.lab import Lab
from lab.state import LabError
from tests.lab.keep import GUEST, Built

#: `/var` is a link there, and a link of another root leads astray from here.
RUN = "/private/var/run/clawkeep"

#: Runs in the guest until its stdin ends: it never stops trying to reach what no door leads to.
SOURCE = r"""
import json, socket, struct, sys, threading, time
gateway, stopping, tries, hits = sys.argv[1], [], [0], []
query = struct.pack(">HHHHHH", 4711, 0x100, 1, 0, 0, 0) + b"\7example\3com\0"
query += struct.pack(">HH", 1, 1)

def tcp():
    with socket.socket() as s:
        s.settimeout(0.1)
        s.connect((gateway, 22))

def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.1)
        s.connect((gateway, 53))
        s.send(query)
        s.recv(512)

def hammer(what):
    while not stopping:
        tries[0] += 1
        began = time.time()
        try:
            what()
            hits.append((began, what.__name__))
        except OSError:
            pass
        time.sleep(0.005)

threads = [threading.Thread(target=hammer, args=(what,)) for what in (tcp, udp)]
[t.start() for t in threads]
print("started", flush=True)
sys.stdin.read()
stopping.append(1)
[t.join() for t in threads]
print(json.dumps({"tries": tries[0], "hits": hits}))
"""


@dataclass
class Tried:
    """What a prober in the guest saw: attempts, and the moments of those that got through."""

    tries: int = 0
    hits: list[tuple[float, str]] = field(default_factory=list)

    def seconds(self) -> float:
        """Return how long it stood open, from the first to the last hit."""
        return self.hits[-1][0] - self.hits[0][0] if self.hits else 0.0


@contextlib.contextmanager
def hammering(keep: Built, gateway: str = "192.168.64.1") -> Iterator[Tried]:
    """Have the guest try all the time, over TCP and UDP; the result is there when it is over."""
    command = keep.lab.command(f"guest:{GUEST}", ["/usr/bin/python3", "-c", SOURCE, gateway])
    tried = Tried()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        try:
            yield tried
        finally:
            out, _ = process.communicate(timeout=30)
        values = json.loads(out)
        tried.tries = values["tries"]
        tried.hits = sorted((moment, kind) for moment, kind in values["hits"])
    assert tried.tries > 0, "the prober could not run"


def read(keep: Built, path: str) -> str:
    """Return a file of the host, "" when there is none; starts no program, unlike `Built.host`."""
    host = Lab.named(keep.lab.name).facts["host_pid"]
    try:
        return Path(f"/proc/{host}/root{path}").read_text()
    except OSError:
        return ""


def events(keep: Built) -> list[dict[str, Any]]:
    """Return all events on the host's record."""
    lines = read(keep, "/opt/clawkeep/var/events.jsonl").splitlines()
    return [json.loads(line) for line in lines]


def wait(what: str, done: Callable[[], object], timeout_s: float = 120) -> float:
    """Wait until `done()` is true and return after how many seconds that was."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < timeout_s, f"{what}: not within {timeout_s} s"
        time.sleep(0.1)
    return time.monotonic() - began


def happened(keep: Built, kind: str, words: str, since: int) -> bool:
    """Tell whether there is such an event after the first `since`."""
    return any(e["kind"] == kind and words in e["text"] for e in events(keep)[since:])


def record(keep: Built) -> dict[str, Any]:
    """Return what is enforced, as the host has it on record."""
    data: dict[str, Any] = json.loads(read(keep, RUN + "/enforced.json") or "{}")
    return data


def guest_is_up(keep: Built) -> bool:
    """Tell whether there is a guest to run something in."""
    try:
        return keep.guest("true").returncode == 0
    except LabError:
        return False


def is_open(keep: Built) -> bool:
    """Tell whether the guest has its doors."""
    return record(keep).get("state") == "open"
