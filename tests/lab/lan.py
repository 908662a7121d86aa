"""A machine on the lab's LAN that sends without end, and a guest that receives."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from collections.abc import Iterator
from types import TracebackType

from lab.lab import Lab
from tests.lab.keep import GUEST

FEED_PORTS = (19000, 19001)

#: Sends 1 kB every 20 ms to whoever connects, on every port.
FEED = """
import socket, sys, threading, time

def send(connection):
    try:
        while True:
            connection.sendall(b"x" * 1000)
            time.sleep(0.02)
    except OSError:
        pass

def serve(server):
    while True:
        threading.Thread(target=send, args=(server.accept()[0],), daemon=True).start()

for port in sys.argv[1:]:
    server = socket.create_server(("10.0.30.99", int(port)))
    threading.Thread(target=serve, args=(server,), daemon=True).start()
print("ready", flush=True)
time.sleep(3600)
"""


@contextlib.contextmanager
def feed(lab: Lab) -> Iterator[None]:
    """Run the sender at 10.0.30.99 on `FEED_PORTS`."""
    ports = [str(port) for port in FEED_PORTS]
    process = subprocess.Popen(
        lab.command("lan", ["/usr/bin/python3", "-c", FEED, *ports]),
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.kill()
        process.wait()


RECEIVE = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as s:
    s.settimeout(None)
    while True:
        try:
            data = s.recv(65536)
        except OSError:
            break
        if not data:
            break
        print(len(data), flush=True)
print("ended", flush=True)
"""


class Transfer:
    """A guest's program that receives through a door until the door ends it."""

    def __init__(self, lab: Lab, gateway: str, port: int) -> None:
        self._process = subprocess.Popen(
            lab.command(f"guest:{GUEST}", ["/usr/bin/python3", "-c", RECEIVE, gateway, str(port)]),
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        self._text = ""

    def __enter__(self) -> Transfer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        while select.select([self._pipe], [], [], 0)[0]:
            data = os.read(self._pipe, 65536).decode()
            if not data:
                return
            self._text += data

    def received(self) -> int:
        """Return how many bytes have arrived."""
        self._read()
        return sum(int(line) for line in self._text.splitlines() if line.isdigit())

    @property
    def ended(self) -> bool:
        """Tell whether the connection is over."""
        self._read()
        return self._text.endswith("ended\n") or self._process.poll() is not None
