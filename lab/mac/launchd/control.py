"""How launchctl talks to launchd: one JSON line each way on a Unix socket, peers known by uid."""

import contextlib
import json
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import errors, paths
from .errors import LaunchdError
from .loop import Loop

REQUEST_LIMIT = 1 << 20
PEER = struct.Struct("3i")


@dataclass(frozen=True)
class Peer:
    """Who asks."""

    pid: int
    uid: int


class Reply:
    """The answer to one request; it may be given later."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.done = False

    def send(self, code: int = 0, **data: Any) -> None:
        """Answer with launchctl's code (0: all well) and plain data."""
        if self.done:
            return
        self.done = True
        with contextlib.suppress(OSError), self._connection:
            self._connection.setblocking(True)
            self._connection.sendall(json.dumps({"code": code, **data}).encode() + b"\n")


Handler = Callable[[dict[str, Any], Peer, Reply], None]


class Server:
    """Accepts connections and hands each request to the handler."""

    def __init__(self, loop: Loop, handler: Handler) -> None:
        self._loop, self._handler = loop, handler
        path = paths.at(paths.SOCKET)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(path)
        os.chmod(path, 0o666)
        self._socket.listen(64)
        self._socket.setblocking(False)
        loop.add(self._socket.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return
        connection.setblocking(False)
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
        pid, uid, _gid = PEER.unpack(data)
        buffer = bytearray()
        self._loop.add(connection.fileno(), lambda: self._read(connection, Peer(pid, uid), buffer))

    def _read(self, connection: socket.socket, peer: Peer, buffer: bytearray) -> None:
        try:
            data = connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        buffer += data
        if data and b"\n" not in buffer and len(buffer) < REQUEST_LIMIT:
            return
        self._loop.remove(connection.fileno())
        reply = Reply(connection)
        try:
            request = json.loads(buffer)
            self._handler(request, peer, reply)
        except LaunchdError as error:
            reply.send(error.code, detail=str(error))
        except (ValueError, KeyError, TypeError, OSError) as error:
            reply.send(errors.EINVAL, detail=repr(error))


def ask(operation: str, **arguments: Any) -> dict[str, Any]:
    """Send one request to launchd; return its answer. Raises OSError when nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(paths.at(paths.SOCKET))
        connection.sendall(json.dumps({"op": operation, **arguments}).encode() + b"\n")
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
    if not data:
        raise ConnectionResetError("launchd closed the connection")
    return dict(json.loads(data))
