"""A process on the host that holds something for as long as its standard input is open.

That input is a channel of the run's own connection to the host: whether the run ends, fails or is
killed with its connection, the channel ends with it, and what is held as well.
"""

from __future__ import annotations

import contextlib
import select
import shlex
import subprocess
import time
from collections.abc import Sequence
from typing import Protocol

from paramiko import Channel, Transport


class Holder(Protocol):
    """The process on the host that holds something."""

    def line(self, deadline: float) -> str:
        """Return the first line that it prints, "" when there is none in time (monotonic)."""

    def end(self, timeout_s: float) -> tuple[int | None, str]:
        """End its input; return its exit status (None when it does not end) and its last words."""


def started(host: Transport | None, command: Sequence[str]) -> Holder:
    """Start a command on the host; None is this machine."""
    return _Local(command) if host is None else _Remote(host, command)


class _Local:
    """A holder on this very machine."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self, deadline: float) -> str:
        if (out := self._process.stdout) is None:
            return ""
        ready, _, _ = select.select([out], [], [], max(0.0, deadline - time.monotonic()))
        return out.readline().strip() if ready else ""

    def end(self, timeout_s: float) -> tuple[int | None, str]:
        try:
            _, words = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return None, "it does not end"
        return self._process.returncode, words.strip()


class _Remote:
    """A holder behind a channel of the run's connection to the host."""

    def __init__(self, transport: Transport, command: Sequence[str]) -> None:
        self._channel: Channel = transport.open_session(timeout=30)
        self._channel.exec_command(shlex.join(command))

    def line(self, deadline: float) -> str:
        text = b""
        with contextlib.suppress(TimeoutError):
            while b"\n" not in text:
                self._channel.settimeout(max(0.1, deadline - time.monotonic()))
                if not (chunk := self._channel.recv(1024)):
                    break
                text += chunk
        return text.partition(b"\n")[0].decode(errors="replace").strip()

    def end(self, timeout_s: float) -> tuple[int | None, str]:
        self._channel.shutdown_write()
        self._channel.settimeout(timeout_s)
        words = b""
        try:
            while chunk := self._channel.recv_stderr(1024):
                words += chunk
        except TimeoutError:
            return None, "it does not end"
        status = self._channel.recv_exit_status() if self._channel.status_event.wait(5) else None
        self._channel.close()
        return status, words.decode(errors="replace").strip()
