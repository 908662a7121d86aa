"""The guard's socket: how the guest's owner asks it for the few things that only root can do.

One JSON object on a line in, one out. The owner is trusted no further than that: it can ask for
what closes, and for a look. Lines are short, few at a time and not too often, and whatever is not
understood is answered and forgotten.

    {"ask": "start", "guest": NAME}   everything is closed and proved: the guest may start
    {"ask": "ended", "guest": NAME}   the guest has ended: close at once
    {"ask": "check"}                  look at everything now
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clawkeep.onhost import paths

MAX_LINE = 1024
READ_S = 2.0
WAITING = 8
PER_SECOND = 5


class AskError(RuntimeError):
    """The guard is not there, or said nothing that can be understood."""


def ask(request: dict[str, str], *, path: Path = paths.SOCKET, timeout_s: float = 30) -> Any:
    """Put one request to the guard and return its answer. Raises AskError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout_s)
            sock.connect(str(path))
            sock.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(_line(sock, time.monotonic() + timeout_s))
    except (OSError, ValueError) as error:
        raise AskError(f"the guard does not answer at {path}: {error}") from error
    if not isinstance(answer, dict):
        raise AskError(f"the guard answered {answer!r:.80}")
    return answer


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asked, and the connection on which the answer goes out."""

    ask: str
    guest: str
    connection: socket.socket

    def answer(self, *, ok: bool, why: str = "") -> None:
        """Answer and hang up; whoever asked may be gone."""
        _say(self.connection, {"ok": ok} | ({"why": why} if why else {}))


class Server:
    """Listens in a thread of its own; the guard takes the requests one by one."""

    def __init__(self, path: Path = paths.SOCKET) -> None:
        self.path = path
        self._requests: queue.Queue[Request] = queue.Queue(WAITING)
        self._recent: list[float] = []
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            self._listener.bind(str(path))
        finally:
            os.umask(mask)
        self._listener.listen(WAITING)
        self._file = self._where()
        threading.Thread(target=self._serve, daemon=True).start()

    def stands(self) -> bool:
        """Tell whether whoever opens the path still gets this socket."""
        return self._where() == self._file

    def _where(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def belongs_to(self, uid: int) -> None:
        """Let this user, and nobody else but root, ask. A socket that is gone belongs to nobody."""
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(self.path).st_uid != uid:
                os.chown(self.path, uid, -1, follow_symlinks=False)

    def next(self, timeout_s: float) -> Request | None:
        """Return the next request, None when there is none within `timeout_s`."""
        try:
            return self._requests.get(timeout=max(timeout_s, 0.001))
        except queue.Empty:
            return None

    def close(self) -> None:
        """Stop listening; a socket of somebody else at its path stays."""
        if self.stands():
            self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            # Or a thread that waits in accept(2) would go on waiting.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                self._take(connection)
            except (OSError, ValueError, RecursionError) as error:
                _say(connection, {"ok": False, "why": f"not understood: {type(error).__name__}"})

    def _take(self, connection: socket.socket) -> None:
        line = _line(connection, time.monotonic() + READ_S)
        now = time.monotonic()
        self._recent = [moment for moment in self._recent if now - moment < 1]
        if len(self._recent) >= PER_SECOND:
            _say(connection, {"ok": False, "why": "asked too often"})
            return
        self._recent.append(now)
        data = json.loads(line)
        if not isinstance(data, dict) or not all(isinstance(v, str) for v in data.values()):
            raise ValueError("no object of strings")
        request = Request(data.get("ask", ""), data.get("guest", ""), connection)
        if request.ask not in {"start", "ended", "check"}:
            raise ValueError("no such question")
        try:
            self._requests.put_nowait(request)
        except queue.Full:
            request.answer(ok=False, why="too many wait")


def _line(sock: socket.socket, deadline: float) -> bytes:
    """Read one line of at most MAX_LINE bytes. Raises ValueError, OSError."""
    data = b""
    while not data.endswith(b"\n"):
        sock.settimeout(max(deadline - time.monotonic(), 0.001))
        chunk = sock.recv(MAX_LINE)
        data += chunk
        if not chunk or len(data) > MAX_LINE:
            raise ValueError("no line")
    return data


def _say(connection: socket.socket, answer: dict[str, object]) -> None:
    try:
        connection.settimeout(READ_S)
        connection.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        pass
    finally:
        connection.close()
