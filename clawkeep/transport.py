"""Runs a script on the host and opens SSH into its guest, for the verbs of `clawkeep`.

The converge goes through pyinfra; a verb that only looks must answer in a second, so it uses
paramiko alone: one connection to the host, the guest's through it.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko

from clawkeep import keys, state
from clawkeep.target import Target

MAX_ANSWER = 1_000_000


class TransportError(Exception):
    """A machine could not be reached or did not answer; the text names machine and cause."""


def _client(known_hosts: str | None) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    if known_hosts:
        client.load_host_keys(known_hosts)
    else:
        client.load_system_host_keys()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    return client


def _dial(hostname: str, port: int) -> socket.socket:
    sock = socket.create_connection((hostname, port), timeout=10)
    # paramiko leaves Nagle on: 41 ms per command. Source: reference/pyinfra.md §6.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class HostSession:
    """The host: this machine, or one over SSH."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._client: paramiko.SSHClient | None = None
        if target.hostname is not None:
            self._client = self._connect(target.hostname)

    def _connect(self, hostname: str) -> paramiko.SSHClient:
        client = _client(self.target.known_hosts)
        try:
            client.connect(
                hostname,
                self.target.port,
                username=self.target.user,
                key_filename=self.target.key,
                sock=_dial(hostname, self.target.port),
                look_for_keys=self.target.key is None,
                allow_agent=self.target.key is None,
                banner_timeout=10,
            )
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise TransportError(f"{self.target.name}: no SSH: {error}") from error
        return client

    @property
    def connection(self) -> paramiko.Transport | None:
        """The connection to the host, None when it is this machine."""
        return self._client.get_transport() if self._client else None

    def run(self, script: str, timeout_s: float = 20) -> str:
        """Return what a POSIX shell script prints, whatever its exit status.

        Raises TransportError when the host does not answer in `timeout_s` seconds.
        """
        if self._client is None:
            try:
                done = subprocess.run(
                    ["/bin/sh", "-s"],
                    input=script,
                    capture_output=True,
                    text=True,
                    timeout=timeout_s,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise TransportError(f"{self.target.name}: no answer in {timeout_s} s") from error
            return done.stdout
        return exchange(self._client, "/bin/sh -s", script, timeout_s, self.target.name)

    def lines(self, script: str, timeout_s: float) -> Iterator[str]:
        """Yield the lines that a POSIX shell script prints, as they come.

        `timeout_s` is how long it may print nothing. Raises TransportError.
        """
        if self._client is None:
            pipe = subprocess.PIPE
            with subprocess.Popen(["/bin/sh", "-s"], stdin=pipe, stdout=pipe, text=True) as it:
                if it.stdin is None or it.stdout is None:
                    raise TransportError(f"{self.target.name}: no shell")
                it.stdin.write(script)
                it.stdin.close()
                yield from (line.rstrip("\n") for line in it.stdout)
            return
        try:
            stdin, stdout, _ = self._client.exec_command("/bin/sh -s", timeout=timeout_s)
            with stdin, stdout:
                stdin.write(script)
                stdin.channel.shutdown_write()
                for line in stdout:
                    yield line.rstrip("\n")
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise TransportError(f"{self.target.name}: no answer: {error!r}") from error

    def dialogue(self, command: str, reply: Callable[[str], str], timeout_s: float) -> str:
        """Run `command`, answer its first line by `reply(line)`, and return what it prints then.

        Nothing is answered to a command that prints nothing; it must end by itself once its stdin
        has. Raises TransportError, and whatever `reply` raises.
        """
        if self._client is None:
            # Without a timeout: what sudo runs as root, we could not end.
            pipe = subprocess.PIPE
            with subprocess.Popen(
                ["/bin/sh", "-c", command], stdin=pipe, stdout=pipe, text=True
            ) as it:
                line = it.stdout.readline(MAX_ANSWER) if it.stdout else ""
                return it.communicate(reply(line) if line else None)[0]
        try:
            stdin, stdout, _ = self._client.exec_command(command, timeout=timeout_s)
            with stdin, stdout:
                line = stdout.readline(MAX_ANSWER)
                if line:
                    stdin.write(reply(line))
                    stdin.flush()
                stdin.channel.shutdown_write()
                return stdout.read(MAX_ANSWER).decode(errors="replace")
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise TransportError(f"{self.target.name}: {command}: {error!r}") from error

    def guest(self, name: str, address: str) -> paramiko.SSHClient:
        """Return an SSH client logged in to the guest, its host key checked against the pin.

        Raises TransportError, also when no key is pinned: an unknown machine is not the guest.
        """
        folder = state.folder(self.target.name, name)
        pin = folder / "known_hosts"
        if not pin.exists():
            raise TransportError(f"{name}: no host key is pinned; run the base phase first")
        client = _client(str(pin))
        try:
            client.connect(
                name,
                username="admin",
                pkey=_key(folder),
                sock=self._open(address),
                look_for_keys=False,
                allow_agent=False,
                banner_timeout=10,
            )
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise TransportError(f"{name}: no SSH at {address}: {error}") from error
        return client

    def _open(self, address: str) -> Any:
        transport = self._client.get_transport() if self._client else None
        if transport is None:
            return _dial(address, 22)
        return transport.open_channel("direct-tcpip", (address, 22), ("127.0.0.1", 0), timeout=10)

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()


def _key(folder: Path) -> paramiko.Ed25519Key:
    return paramiko.Ed25519Key.from_private_key_file(str(keys.ensure(folder, "").private))


def exchange(
    client: paramiko.SSHClient, command: str, text: str, timeout_s: float, name: str
) -> str:
    """Run `command` with `text` on its stdin; return its stdout.

    A hostile machine may answer without end: past 1 MB or `timeout_s` seconds it is an error.
    Raises TransportError.
    """
    deadline = time.monotonic() + timeout_s
    answer = b""
    try:
        stdin, stdout, _ = client.exec_command(command, timeout=timeout_s)
        stdin.write(text)
        stdin.channel.shutdown_write()
        while chunk := stdout.channel.recv(65536):
            answer += chunk
            if len(answer) > MAX_ANSWER or time.monotonic() > deadline:
                stdout.channel.close()
                raise TransportError(f"{name}: {command} said too much, or too slowly")
        return answer.decode(errors="replace")
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise TransportError(f"{name}: {command} did not answer: {error!r}") from error
