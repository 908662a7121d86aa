"""Connections that a guest holds open: what it receives, and whether they are over."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType

from lab.lab import Lab
from tests.lab.guarding import wait

RECEIVE = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as s:
    s.settimeout(None)
    while data := s.recv(65536):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
"""


class Stream:
    """A program in the guest that prints what it receives, until somebody ends it."""

    def __init__(self, lab: Lab, vm: str, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            lab.command(f"guest:{vm}", list(command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        self._bytes = 0

    @classmethod
    def of_tcp(cls, lab: Lab, vm: str, host: str, port: int) -> Stream:
        """Return a TCP connection on which the guest says nothing."""
        return cls(lab, vm, ["/usr/bin/python3", "-c", RECEIVE, host, str(port)])

    @classmethod
    def of_url(cls, lab: Lab, vm: str, url: str, proxy: str = "") -> Stream:
        """Return a download, by a proxy when there is one."""
        way = ["-x", proxy] if proxy else ["--noproxy", "*"]
        return cls(lab, vm, ["/usr/bin/curl", "-sSfN", *way, url])

    def __enter__(self) -> Stream:
        wait("the first bytes of a stream", self.received, 20)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        # Whatever is left of it in the guest ends when it writes next.
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def received(self) -> int:
        """Return how many bytes have arrived so far."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while select.select([pipe], [], [], 0)[0] and (data := os.read(pipe, 65536)):
            self._bytes += len(data)
        return self._bytes

    @property
    def ended(self) -> bool:
        """Tell whether it is over."""
        self.received()
        return self._process.poll() is not None

    def goes_on(self, seconds: float = 3) -> bool:
        """Tell whether more arrives within so long."""
        before = self.received()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.ended:
            if self.received() > before:
                return True
            time.sleep(0.1)
        return False
