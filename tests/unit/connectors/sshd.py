"""A small SSH server in this process: keys, passwords, commands, forwards in both directions."""

from __future__ import annotations

import contextlib
import io
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_SUCCEEDED,
)


def new_key() -> paramiko.Ed25519Key:
    """Return a fresh ed25519 key."""
    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    return paramiko.Ed25519Key.from_private_key(io.StringIO(text.decode()))


def public_line(key: paramiko.PKey) -> str:
    """Return the text of a `.pub` file."""
    return f"{key.get_name()} {key.get_base64()} somebody@somewhere\n"


class SSHServer:
    """Listens on a port of 127.0.0.1; runs commands with /bin/sh; `close` ends it all."""

    def __init__(self) -> None:
        self.host_key = new_key()
        self.passwords: dict[str, str] = {}
        self.keys: set[str] = set()
        self.attempts: list[str] = []
        self.commands: list[str] = []
        self.forwards: dict[tuple[str, int], tuple[str, int]] = {}
        self.forwarded: list[tuple[str, int]] = []
        self.broken = False
        self.transports: list[paramiko.Transport] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.serve(sock)

    def serve(self, sock: Any) -> paramiko.Transport:
        """Speak SSH on a socket that is connected already."""
        transport = paramiko.Transport(sock)
        session = _Session(self, transport)
        transport.add_server_key(self.host_key)
        self.transports.append(transport)
        with contextlib.suppress(paramiko.SSHException, EOFError):
            transport.start_server(event=threading.Event(), server=session)
        return transport

    def cut(self) -> None:
        """Drop every connection, as a guest that loses its power does."""
        for transport in self.transports:
            transport.close()

    def close(self) -> None:
        """End the server."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


class _Session(paramiko.ServerInterface):
    def __init__(self, server: SSHServer, transport: paramiko.Transport) -> None:
        self.server = server
        self.transport = transport
        self.arrived: dict[int, paramiko.Channel] = {}

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_password(self, username: str, password: str) -> int:
        self.server.attempts.append(f"password {username}")
        good = self.server.passwords.get(username) == password
        return AUTH_SUCCESSFUL if good else AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.server.attempts.append(f"key {username}")
        good = key.get_base64() in self.server.keys
        return AUTH_SUCCESSFUL if good else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.server.commands.append(command.decode())
        if self.server.broken:
            command = b"cat > /dev/null; exit 1"
        threading.Thread(target=_execute, args=(channel, command), daemon=True).start()
        return True

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        self.server.forwarded.append(destination)
        if destination not in self.server.forwards:
            return OPEN_FAILED_CONNECT_FAILED
        upstream = socket.create_connection(self.server.forwards[destination])
        threading.Thread(target=_forward, args=(self, chanid, upstream), daemon=True).start()
        return OPEN_SUCCEEDED

    def check_port_forward_request(self, address: str, port: int) -> int:
        return port or 45678

    def cancel_port_forward_request(self, address: str, port: int) -> None:
        pass


def _execute(channel: paramiko.Channel, command: bytes) -> None:
    stdin = channel.makefile("rb").read()
    done = subprocess.run(["/bin/sh", "-c", command], input=stdin, capture_output=True, check=False)
    with contextlib.suppress(OSError):
        channel.sendall(done.stdout)
        channel.sendall_stderr(done.stderr)
        channel.send_exit_status(done.returncode)
        channel.close()


def _forward(session: _Session, chanid: int, upstream: socket.socket) -> None:
    # Channels of sessions arrive here too; they are served elsewhere.
    while chanid not in session.arrived and session.transport.is_active():
        if arrived := session.transport.accept(0.05):
            session.arrived[arrived.get_id()] = arrived
    channel = session.arrived[chanid]

    def pump(source: Any, target: Any) -> None:
        with contextlib.suppress(OSError, EOFError):
            while chunk := source.recv(32768):
                target.sendall(chunk)
        with contextlib.suppress(OSError, EOFError):
            target.shutdown(socket.SHUT_WR)

    threading.Thread(target=pump, args=(upstream, channel), daemon=True).start()
    pump(channel, upstream)


@contextlib.contextmanager
def running() -> Iterator[SSHServer]:
    """Run a server for the length of a block."""
    server = SSHServer()
    try:
        yield server
    finally:
        server.close()
