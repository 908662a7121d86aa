"""What the guest asks of proxies and bridges, to be led where it must not go.

Each is sent to the keep's proxy, to a bridge, and, as the control, to a squid that allows all.
Source: reference/peers.md D.2; reference/macos.md §2.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from lab.lab import Lab

NOBODY = "10.0.30.99"
HOST_ON_THE_LAN = "10.0.10.2"
SAYS = "the host nobody may reach"
BANNER = "SSH-2.0"


@dataclass(frozen=True)
class Request:
    """Bytes for a proxy, and what comes back when they had the effect that they must not have."""

    name: str
    text: str
    then: str
    shows: str


def _connect(name: str, target: str, shows: str, then: str = "") -> Request:
    return Request(name, f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n", then, shows)


def _get(name: str, url: str, host: str, shows: str, more: str = "") -> Request:
    text = f"GET {url} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n"
    return Request(name, text, "", shows)


ASK = f"GET / HTTP/1.1\r\nHost: {NOBODY}\r\nConnection: close\r\n\r\n"
INSIDE = f"GET http://{NOBODY}/ HTTP/1.1\r\nHost: {NOBODY}\r\nConnection: close\r\n\r\n"
POST = "POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\n"

REQUESTS = (
    _connect("a private address", f"{NOBODY}:80", SAYS, ASK),
    _connect("a private address as one number", "167779939:80", SAYS, ASK),
    _connect("a private address in IPv6", f"[::ffff:{NOBODY}]:80", SAYS, ASK),
    _connect("SSH on the LAN", f"{NOBODY}:22", BANNER),
    _connect("SSH on the internet", "github.com:22", BANNER),
    _connect("the host's sshd at the gateway", "192.168.64.1:22", BANNER),
    _connect("the host's sshd at its loopback", "127.0.0.1:22", BANNER),
    _connect("the host's sshd by name", "localhost:22", BANNER),
    _connect("the host's sshd at its LAN address", f"{HOST_ON_THE_LAN}:22", BANNER),
    _connect("a listed name that is private", "rebind.example:443", "200 Connection established"),
    _connect("a listed name's address", "93.184.215.14:443", "200 Connection established"),
    _connect("a name that is not listed", "sentry.io:443", "200 Connection established"),
    _get("a private address as a URL", f"http://{NOBODY}/", NOBODY, SAYS),
    _get("a listed name that is private, as a URL", "http://rebind.example/", "x", SAYS),
    _get("credentials before the address", f"http://example.com@{NOBODY}/", "example.com", SAYS),
    _get("two Host headers", f"http://{NOBODY}/", "example.com", SAYS, f"Host: {NOBODY}\r\n"),
    Request("a second request behind the first",
            f"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n{INSIDE}", "", SAYS),
    Request("a body shorter than it says", f"{POST}Content-Length: 0\r\n\r\n{INSIDE}", "", SAYS),
    Request("a length and chunks",
            f"{POST}Content-Length: {len(INSIDE) + 5}\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"0\r\n\r\n{INSIDE}", "", SAYS),
)  # fmt: skip

#: Runs in the guest: sends each, answers with all that came back within its time.
SOURCE = r"""
import json, socket, sys, threading
port, requests = json.load(sys.stdin)
answers = {}
def ask(name, text, then):
    got = b""
    try:
        with socket.create_connection(("192.168.64.1", port), timeout=8) as s:
            s.settimeout(4)
            s.sendall(text.encode())
            while chunk := s.recv(65536):
                got += chunk
                if b"\r\n\r\n" in got and then:
                    s.sendall(then.encode())
                    then = ""
    except OSError as e:
        answers[name] = got.decode("latin-1") + type(e).__name__
        return
    answers[name] = got.decode("latin-1")
threads = [threading.Thread(target=ask, args=request) for request in requests]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps(answers))
"""


def ask(lab: Lab, vm: str, port: int) -> dict[str, str]:
    """Send all requests to a port of the gateway; return what came back of each."""
    requests = [(request.name, request.text, request.then) for request in REQUESTS]
    words = ["/usr/bin/python3", "-c", SOURCE]
    done = lab.exec(f"guest:{vm}", words, input=json.dumps((port, requests)), timeout=120)
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    return answers
