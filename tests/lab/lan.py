"""A machine on the lab's LAN that sends without end."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from lab.lab import Lab

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
