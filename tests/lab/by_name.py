"""A keep whose guest reaches the internet by name: requests to the proxy, and what it logs."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from lab.lab import Lab
from tests.lab.keep import GUEST, Built

GATEWAY = "192.168.64.1"
FORBIDDEN = "10.0.30.99"
NAMES = ["example.com", "download.example", "rebind.example", "flip.example"]
BY_NAME = {"mode": "domains", "profiles": ["agent", "npm", "pip"], "domains": NAMES, "http": True}

#: Runs in the guest: sends each request to the proxy, answers with what came back of it.
ASK = r"""
import json, socket, sys, threading
def ask(data):
    with socket.create_connection(("192.168.64.1", 3128), timeout=8) as s:
        s.settimeout(8)
        s.sendall(data.encode("latin-1"))
        got = b""
        while b"\r\n\r\n" not in got and (chunk := s.recv(65536)):
            got += chunk
        if got.split(b"\r\n")[0].split(b" ")[1:2] != [b"200"] or data.startswith("CONNECT"):
            return got.split(b"\r\n")[0].decode("latin-1")
        while chunk := s.recv(65536):
            got += chunk
        return got.decode("latin-1")
requests, answers = json.load(sys.stdin), {}
def run(key):
    try:
        answers[key] = ask(requests[key])
    except OSError as e:
        answers[key] = type(e).__name__
threads = [threading.Thread(target=run, args=(key,)) for key in requests]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps(answers))
"""


def ask(keep: Built, requests: dict[str, str]) -> dict[str, str]:
    """Send requests to the proxy from the guest; a status line, or the whole of a 200 answer."""
    command = ["/usr/bin/python3", "-c", ASK]
    done = keep.lab.exec(f"guest:{GUEST}", command, input=json.dumps(requests))
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


def connect(keep: Built, *targets: str) -> dict[str, str]:
    """CONNECT to each target; the status, or the error's name."""
    asked = {t: f"CONNECT {t} HTTP/1.1\r\nHost: {t}\r\n\r\n" for t in targets}
    return {t: a.split(" ")[1] if " " in a else a for t, a in ask(keep, asked).items()}


def get(url: str, host: str = "x", more: str = "", method: str = "GET") -> str:
    return f"{method} {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n"


def fetch(keep: Built, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the agent's user, in a shell as SSH starts it."""
    return keep.guest(f"sudo -u claw -H /bin/zsh -c {json.dumps(command)}")


def declare(keep: Built, egress: dict[str, Any], *arguments: str) -> str:
    """Declare another egress and converge."""
    file = keep.project / "group_data" / "all.py"
    with file.open("a") as text:
        text.write(f"egress = {egress!r}\n")
    return keep.converge(*arguments)


def log(keep: Built) -> list[list[str]]:
    text = keep.host("cat /var/log/clawkeep/access.log").stdout
    return [line.split() for line in text.splitlines()]


def arrivals(lab: Lab) -> int:
    """Return how many visits the machine that nobody may reach has had."""
    return sum(FORBIDDEN in json.dumps(visit) for visit in lab.visits("lan"))
