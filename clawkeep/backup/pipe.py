"""The pipe from and to a program that runs where the data are."""

from __future__ import annotations

import json
import os
import selectors
import time
from importlib import resources
from typing import Any, Final, Protocol

from clawkeep.backup.errors import BackupError

LONGEST_LINE: Final = 1 << 20
LARGEST_PIECE: Final = 1 << 20
LONGEST_S: Final = 12 * 3600

BOOTSTRAP: Final = (
    "import sys; s = sys.stdin.buffer; n = int(s.readline()); g = {'__name__': 'sent'}; "
    "exec(compile(s.read(n), 'sent.py', 'exec'), g); g['main'](s, sys.stdout.buffer)"
)
"""What a Python is started with: a program comes on stdin before what it is to read there."""


def program(name: str, question: dict[str, Any]) -> bytes:
    """Return what `BOOTSTRAP` reads: a module of this package, and its question."""
    text = (resources.files("clawkeep.backup") / f"{name}.py").read_bytes()
    return b"%d\n%s%s\n" % (len(text), text, json.dumps(question).encode())


class Source(Protocol):
    """What a reader's answer is read from."""

    def line(self) -> bytes:
        """Return a line with its end; without one at the end. Raises BackupError."""

    def piece(self, size: int) -> bytes | bytearray:
        """Return exactly so many bytes. Raises BackupError."""


class Pipe:
    """A pipe from a reader, which must not be silent for `silent_s` seconds."""

    def __init__(self, descriptor: int, who: str, silent_s: float = 120) -> None:
        self.descriptor, self.who, self.silent_s = descriptor, who, silent_s
        self._deadline = time.monotonic() + LONGEST_S
        self._rest = bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(descriptor, selectors.EVENT_READ)

    def line(self) -> bytes:
        """Return a line."""
        start = 0
        while (end := self._rest.find(b"\n", start)) < 0:
            start = len(self._rest)
            if start > LONGEST_LINE:
                raise BackupError(f"{self.who}: sent a line without end")
            if not self._more():
                end = len(self._rest) - 1
                break
        line = bytes(self._rest[: end + 1])
        del self._rest[: end + 1]
        return line

    def piece(self, size: int) -> bytearray:
        """Return so many bytes."""
        piece = bytearray(size)
        had = min(size, len(self._rest))
        piece[:had] = self._rest[:had]
        del self._rest[:had]
        with memoryview(piece) as view:
            while had < size:
                self._wait()
                # Straight into its place: most of a backup comes through here.
                if not (more := os.readv(self.descriptor, [view[had:]])):
                    raise BackupError(f"{self.who}: the connection ended")
                had += more
        return piece

    def _more(self) -> bool:
        self._wait()
        data = os.read(self.descriptor, 1 << 16)
        self._rest += data
        return bool(data)

    def _wait(self) -> None:
        if not self._selector.select(self.silent_s):
            raise BackupError(f"{self.who}: nothing came for {self.silent_s:.0f} s")
        if time.monotonic() > self._deadline:
            raise BackupError(f"{self.who}: was not done after {LONGEST_S // 3600} h")
