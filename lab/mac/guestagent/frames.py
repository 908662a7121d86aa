"""What travels between `tart` and the agent in the guest: typed, length-prefixed frames.

The real one speaks gRPC; what each frame means is the same. Source: reference/tart.md §1.6, §5.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from typing import Any

REQUEST = b"R"
STDIN = b"I"
STDIN_END = b"E"
STDOUT = b"O"
STDERR = b"X"
EXIT = b"Q"
RESIZE = b"W"
_HEADER = ">cI"


class Frames:
    """A connection that carries frames; sending is safe for threads."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._lock = threading.Lock()

    def send(self, kind: bytes, data: bytes = b"") -> None:
        """Send one frame. Raises OSError when the peer is gone."""
        with self._lock:
            self._socket.sendall(struct.pack(_HEADER, kind, len(data)) + data)

    def send_json(self, kind: bytes, content: dict[str, Any]) -> None:
        """Send one frame of JSON."""
        self.send(kind, json.dumps(content).encode())

    def receive(self) -> tuple[bytes, bytes] | None:
        """Return the next frame's kind and content; None when the peer is gone."""
        header = self._exactly(struct.calcsize(_HEADER))
        if header is None:
            return None
        kind, length = struct.unpack(_HEADER, header)
        content = self._exactly(length)
        return None if content is None else (kind, content)

    def _exactly(self, length: int) -> bytes | None:
        data = b""
        while len(data) < length:
            try:
                piece = self._socket.recv(length - len(data))
            except OSError:
                return None
            if not piece:
                return None
            data += piece
        return data
