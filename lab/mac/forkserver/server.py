"""The server: takes calls, forks a child for each, tells how it ended.

One message each way. The client's has one byte and its files; the answer is the child's wait
status, or RUN_IT_YOURSELF. A client that goes, however it goes, takes its child with it; one that
was interrupted says so by another byte. Modules are imported when they are first asked for.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import struct
import sys
from dataclasses import dataclass
from types import ModuleType

from . import caller, child

SOCKET = "/private/var/run/lab-forkserver.sock"
STATUS = struct.Struct("i")
RUN_IT_YOURSELF = -1
FILES = 4
BACKLOG = 128


@dataclass
class _Call:
    connection: socket.socket
    pid: int
    handle: int  # a pidfd: readable when the child has ended


class Server:
    """Runs stand-ins for whoever connects, until it is told to stop."""

    def __init__(self, listener: socket.socket, package: str) -> None:
        """Serve `listener`; the callers' modules are those of `package`."""
        listener.setblocking(False)
        self._listener = listener
        self._package = package
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._running = 0
        self._stopping = False

    def serve(self) -> None:
        """Answer until `stop`, and until every child has ended."""
        while self._running or not self._stopping:
            for key, _ in self._selector.select():
                key.data()

    def stop_on(self, number: signal.Signals) -> None:
        """Take no more calls once this signal arrives."""
        wakeup, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        signal.signal(number, lambda _number, _frame: None)
        self._selector.register(wakeup, selectors.EVENT_READ, lambda: self._stop(wakeup))

    def _stop(self, wakeup: int) -> None:
        self._selector.unregister(wakeup)
        self._selector.unregister(self._listener)
        self._listener.close()  # who waits in its queue runs the program himself
        self._stopping = True

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._begin(connection))
        self._begin(connection)  # what it has to say is mostly there already

    def _begin(self, connection: socket.socket) -> None:
        try:
            _, files, _, _ = socket.recv_fds(connection, 1, FILES)
        except BlockingIOError:
            return
        except OSError:
            files = []
        try:
            self._start(connection, files)
        except Exception:  # noqa: BLE001 - what fails to import does so in the client too, and says so
            self._end(connection, RUN_IT_YOURSELF)
        finally:
            for file in files:
                os.close(file)

    def _start(self, connection: socket.socket, files: list[int]) -> None:
        if len(files) != FILES:
            raise caller.NotOursError("no files")
        found = caller.find(connection)
        module = self._module(found.module)
        if getattr(module, "runs_itself", _never)(found.arguments) or _is_gone(connection):
            raise caller.NotOursError(found.module)
        main, server = module.main, os.getpid()
        pid = os.fork()
        if not pid:
            child.run(found, main, files, server)
        self._running += 1
        call = _Call(connection, pid, os.pidfd_open(pid))
        self._selector.modify(connection, selectors.EVENT_READ, lambda: self._heard(call))
        self._selector.register(call.handle, selectors.EVENT_READ, lambda: self._ended(call))

    def _module(self, name: str) -> ModuleType:
        whole = f"{self._package}.{name}"
        if whole not in sys.modules:
            importlib.import_module(whole)
            # Children share these objects with the server as long as nobody counts them.
            gc.collect()
            gc.freeze()
        return sys.modules[whole]

    def _heard(self, call: _Call) -> None:
        if call.connection.fileno() < 0:
            return  # the child ended in the same moment
        try:
            data = call.connection.recv(16)
        except OSError:
            data = b""
        os.kill(call.pid, signal.SIGINT if data else signal.SIGKILL)
        if not data:
            self._selector.unregister(call.connection)

    def _ended(self, call: _Call) -> None:
        self._running -= 1
        self._selector.unregister(call.handle)
        os.close(call.handle)
        _, status = os.waitpid(call.pid, 0)
        self._end(call.connection, status)

    def _end(self, connection: socket.socket, status: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(connection)
        with connection, contextlib.suppress(OSError):
            connection.send(STATUS.pack(status))


def _never(_arguments: list[str]) -> bool:
    return False


def _is_gone(connection: socket.socket) -> bool:
    """Say whether the client has gone, so that its pid may be another's by now."""
    with contextlib.suppress(BlockingIOError):
        return not connection.recv(1, socket.MSG_PEEK)
    return False


def run(path: str, package: str) -> None:
    """Serve a package's stand-ins on a socket at `path`, until SIGTERM."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen(BACKLOG)
    server = Server(listener, package)
    server.stop_on(signal.SIGTERM)
    server.serve()


def main() -> int:
    """Run the machine's server."""
    run(SOCKET, "mac")
    return 0
