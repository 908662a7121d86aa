"""control.sock: connects whoever dials it with the agent in the guest.

Source: reference/tart.md §1.6, §1.8 (ControlSocket.swift; Unix paths are short, hence the chdir).
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading

AGENT_PORT = 8080


class ControlSocket:
    """Listens in the VM's folder, wherever that folder is moved."""

    def __init__(self, folder: str, vsock: str) -> None:
        self._vsock = vsock
        os.chdir(folder)
        with contextlib.suppress(FileNotFoundError):
            os.unlink("control.sock")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind("control.sock")
        self._listener.listen(16)

    def start(self) -> None:
        """Answer in threads of its own."""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        guest = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with client, guest, contextlib.suppress(OSError):
            guest.connect(f"{self._vsock}/{AGENT_PORT}")
            back = threading.Thread(target=_copy, args=(guest, client), daemon=True)
            back.start()
            _copy(client, guest)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
