"""Flows that a guest holds open: what it receives, and whether it is over."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable
from types import TracebackType

from lab.lab import Lab


def within(seconds: float, holds: Callable[[], object], what: str = "it") -> None:
    """Wait until something holds, at most so long."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.1)


class Flow:
    """A curl in the guest that receives until somebody ends it."""

    def __init__(self, lab: Lab, vm: str, url: str, proxy: str = "") -> None:
        words = ["/usr/bin/curl", "-sSN", "--noproxy", "*", url]
        if proxy:
            words[2:4] = ["-x", proxy]
        self._process = subprocess.Popen(
            lab.command(f"guest:{vm}", words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        self._bytes = 0

    def __enter__(self) -> Flow:
        within(10, self.received, "the first bytes of a flow")
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
