"""The provisioning window, from the run's side: a process on the host that it keeps open.

`clawkeep window hold` opens the build domains on the host and closes them when its standard input
ends. That input is a channel of the run's own connection to the host: whether the run ends, fails
or is killed with its connection, the channel ends with it, and the window too. What is open, for
whom and until when is decided and enforced by the host (clawkeep/onhost/window.py).
"""

from __future__ import annotations

import contextlib
import getpass
import re
import select
import shlex
import socket
import subprocess
import time
from collections.abc import Iterable
from typing import Protocol

from paramiko import Channel, SSHException, Transport
from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError

from clawkeep.remote import PROGRAM

LONGEST = "45m"
OPEN_S = 60
CLOSE_S = 30
OPEN = re.compile(r"open ([0-9.]{7,15}):([0-9]{2,5})")


class Holder(Protocol):
    """The process on the host that holds the window."""

    def line(self, deadline: float) -> str:
        """Return the first line that it prints, "" when there is none in time (monotonic)."""

    def end(self, timeout_s: float) -> tuple[int | None, str]:
        """End its input; return its exit status (None when it does not end) and its last words."""


class Window:
    """Build domains that the guest reaches through the host's proxy, while this is entered.

    `host` is the host's SSH transport, or None when the host is this machine. Only TCP port 443 of
    `names` is reached, by CONNECT; the guest needs no DNS. A leading dot stands for a name and all
    below it.
    """

    def __init__(self, host: Transport | None, names: Iterable[str]) -> None:
        self._host = host
        self.names = tuple(names)
        self.proxy = ""
        self._holder: Holder | None = None

    def __enter__(self) -> Window:
        who = f"{getpass.getuser()}@{socket.gethostname()}"
        command = ["sudo", "-n", PROGRAM, "window", "hold", "--for", LONGEST]
        command += ["--domains", ",".join(self.names), "--who", who]
        holder = _Local(command) if self._host is None else _Remote(self._host, command)
        found = OPEN.fullmatch(holder.line(time.monotonic() + OPEN_S))
        if found is None:
            _, words = holder.end(CLOSE_S)
            raise PyinfraError(f"the provisioning window did not open: {words or 'no answer'}")
        self._holder = holder
        self.proxy = f"http://{found[1]}:{found[2]}"
        return self

    def __exit__(self, *_: object) -> None:
        if self._holder is None:
            return
        try:
            status, words = self._holder.end(CLOSE_S)
        except (OSError, EOFError, SSHException) as error:
            status, words = None, repr(error)
        if status != 0:
            logger.warning(
                f"provisioning window: not seen closing ({words or status}); the host closes it by "
                "itself: sudo clawkeep window show"
            )

    @property
    def environment(self) -> str:
        """Shell assignments that send a command's HTTPS through the window."""
        url = self.proxy
        return (
            f"export https_proxy={url} HTTPS_PROXY={url} http_proxy={url} HTTP_PROXY={url} "
            f"ALL_PROXY={url} no_proxy= NO_PROXY=;"
        )


class _Local:
    """A holder on this very machine."""

    def __init__(self, command: list[str]) -> None:
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

    def __init__(self, transport: Transport, command: list[str]) -> None:
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
