"""A command that the agent runs: on pipes, or on a terminal of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
from collections.abc import Callable
from typing import Any

from . import frames

Send = Callable[[bytes, bytes], None]


def start(command: list[str], request: dict[str, Any]) -> Process:
    """Start a command as `request` asks (interactive, tty, size). Raises OSError."""
    if request["tty"]:
        return Process(command, tty_size=request["size"] or [80, 24], interactive=True)
    return Process(command, tty_size=None, interactive=request["interactive"])


class Process:
    """One running command."""

    def __init__(
        self, command: list[str], *, tty_size: list[int] | None, interactive: bool
    ) -> None:
        self._terminal: int | None = None
        if tty_size is None:
            stdin = subprocess.PIPE if interactive else subprocess.DEVNULL
            self._process = subprocess.Popen(
                command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            return
        self._terminal, inner = pty.openpty()
        self.resize(*tty_size)
        try:
            self._process = subprocess.Popen(
                command, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
            )
        finally:
            os.close(inner)

    def relay(self, send: Send) -> int:
        """Send all output; return the exit status (255 for a signal, as Go's -1 comes out)."""
        if self._terminal is not None:
            _pump(self._terminal, frames.STDOUT, send)
        else:
            assert self._process.stdout is not None
            assert self._process.stderr is not None
            errors = self._process.stderr.fileno()
            second = threading.Thread(target=_pump, args=(errors, frames.STDERR, send))
            second.start()
            _pump(self._process.stdout.fileno(), frames.STDOUT, send)
            second.join()
        code = self._process.wait()
        return code if code >= 0 else 255

    def write(self, data: bytes) -> None:
        """Give the command input; none is taken any more when it has ended."""
        with contextlib.suppress(OSError, ValueError):
            if self._terminal is not None:
                os.write(self._terminal, data)
            elif self._process.stdin:
                self._process.stdin.write(data)
                self._process.stdin.flush()

    def end_input(self) -> None:
        """Close the command's input."""
        if self._terminal is None and self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal its size."""
        if self._terminal is not None:
            size = struct.pack("HHHH", rows, columns, 0, 0)
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    def kill(self) -> None:
        """End the command when nobody listens to it any more."""
        with contextlib.suppress(OSError):
            self._process.kill()


def _pump(descriptor: int, kind: bytes, send: Send) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(descriptor, 65536):
            send(kind, data)
