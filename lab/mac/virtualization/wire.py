"""How programs talk to the virtualization service: one JSON object per line, over a unix socket.

The service answers each request with one line: {"ok": true, …} or {"ok": false, "error": …}.
A file can travel with a request, as a descriptor.
"""

from __future__ import annotations

import json
import socket
from typing import Any

SOCKET = "/private/var/run/lab-virtualization.sock"
GUESTS_FOLDER = "/private/var/run/lab-guests"


class RefusedError(Exception):
    """The service said no; `code` is its short name for the reason, the message is for people."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Line:
    """A connected socket that carries JSON lines both ways."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self._buffer = b""
        self.descriptors: list[int] = []

    @classmethod
    def dial(cls, path: str = SOCKET) -> Line:
        """Connect to the service. Raises RefusedError when it does not answer."""
        dialled = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            dialled.connect(path)
        except OSError as error:
            dialled.close()
            raise RefusedError(f"the virtualization service does not answer: {error}") from error
        return cls(dialled)

    def send(self, message: dict[str, Any], *descriptors: int) -> None:
        """Send one object, with open files if any. Raises OSError when the peer is gone."""
        data = json.dumps(message).encode() + b"\n"
        if descriptors:
            sent = socket.send_fds(self.socket, [data], list(descriptors))
            data = data[sent:]
        self.socket.sendall(data)

    def receive(self) -> dict[str, Any] | None:
        """Wait for one object; None when the peer has gone."""
        while b"\n" not in self._buffer:
            try:
                data, descriptors, _flags, _address = socket.recv_fds(self.socket, 65536, 4)
            except OSError:
                return None
            if not data:
                return None
            self.descriptors += descriptors
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return dict(json.loads(line))

    def ask(self, message: dict[str, Any], *descriptors: int) -> dict[str, Any]:
        """Send a request and return the answer. Raises RefusedError when it is a no."""
        try:
            self.send(message, *descriptors)
        except OSError as error:
            raise RefusedError(f"the virtualization service has gone: {error}") from error
        answer = self.receive()
        if answer is None:
            raise RefusedError("the virtualization service has gone")
        if not answer["ok"]:
            raise RefusedError(answer["error"], answer.get("code", ""))
        return answer

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def ask(message: dict[str, Any], *descriptors: int) -> dict[str, Any]:
    """Dial, ask one question, hang up. Raises RefusedError."""
    line = Line.dial()
    try:
        return line.ask(message, *descriptors)
    finally:
        line.close()
