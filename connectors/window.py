"""The provisioning window: the guest's way to the build domains while a run installs something.

It is a reverse forward inside the run's own SSH connection to the guest: a port on the guest's
loopback, an allowlist in this process, and the host's connection to the internet behind it. No
firewall rule changes for it. It cannot outlive the run: when the run ends, fails or is killed,
the connection ends and the port with it.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from paramiko import Channel, SSHException, Transport
from pyinfra import logger

MAX_REQUEST = 8192
CHUNK = 32768
#: Both ends of 64 connections: brew and pip need a handful.
MAX_ENDS = 128
CONNECT = re.compile(
    rb"CONNECT (?P<name>[A-Za-z0-9][A-Za-z0-9.-]{0,252}):(?P<port>[0-9]{1,5}) HTTP/1\.[01]"
)


class Window:
    """A CONNECT proxy with an allowlist, reachable at `127.0.0.1:port` inside the guest.

    `guest` is the guest's transport; `host` the host's, or None when the host is this machine.
    Only TCP port 443 of the listed names is reached; names are resolved by the host, so the
    guest needs no DNS. A name that starts with a dot stands for its subdomains.
    """

    def __init__(self, guest: Transport, host: Transport | None, names: Iterable[str]) -> None:
        self._guest = guest
        self._host = host
        self._names = frozenset(name.lower() for name in names)
        self.port = 0
        self.refused: set[str] = set()
        self._open_ends: set[Any] = set()
        self._closed = False

    def __enter__(self) -> Window:
        self.port = self._guest.request_port_forward("127.0.0.1", 0, self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        # First what something left in the background would go on using; and the guest's sshd is
        # not waited for: it might never answer.
        self._closed = True
        for end in tuple(self._open_ends):
            _hang_up(end)
        with contextlib.suppress(SSHException, OSError, EOFError):
            self._guest.global_request("cancel-tcpip-forward", ("127.0.0.1", self.port), wait=False)
        for name in sorted(self.refused):
            logger.warning(f"provisioning window: {name} was asked for and is not listed")

    @property
    def environment(self) -> str:
        """Shell assignments that send a command's HTTPS through the window."""
        url = f"http://127.0.0.1:{self.port}"
        return f"export https_proxy={url} HTTPS_PROXY={url} ALL_PROXY={url} no_proxy= NO_PROXY=;"

    def allows(self, name: str, port: int) -> bool:
        """Tell whether the window leads to `name`:`port`."""
        name = name.lower().rstrip(".")
        parents = {name[i:] for i, letter in enumerate(name) if letter == "."}
        return port == 443 and (name in self._names or bool(parents & self._names))

    def _accept(self, channel: Channel, _origin: Any, _server: Any) -> None:
        if self._closed or len(self._open_ends) >= MAX_ENDS:
            channel.close()
            return
        threading.Thread(target=self._serve, args=(channel,), daemon=True).start()

    @contextlib.contextmanager
    def _closing(self, end: Any) -> Iterator[None]:
        """Close one end of a connection at the end of this block, or of the window."""
        self._open_ends.add(end)
        try:
            yield
        finally:
            self._open_ends.discard(end)
            _hang_up(end)

    def _serve(self, channel: Channel) -> None:
        with self._closing(channel), contextlib.suppress(OSError, EOFError, SSHException):
            channel.settimeout(30)
            target = parse_connect(_request_head(channel))
            if target is None:
                channel.sendall(b"HTTP/1.1 405 Only CONNECT\r\n\r\n")
                return
            if not self.allows(*target):
                self.refused.add(f"{target[0]}:{target[1]}")
                channel.sendall(b"HTTP/1.1 403 Not a build domain\r\n\r\n")
                return
            try:
                upstream = self._open(*target)
            except (OSError, SSHException) as error:
                logger.debug("provisioning window: %s: %s", target, error)
                channel.sendall(b"HTTP/1.1 502 The host cannot reach it\r\n\r\n")
                return
            with self._closing(upstream):
                channel.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                channel.settimeout(None)
                _relay(channel, upstream)

    def _open(self, name: str, port: int) -> Any:
        if self._host is None:
            sock = socket.create_connection((name, port), timeout=20)
            sock.settimeout(None)
            return sock
        return self._host.open_channel("direct-tcpip", (name, port), ("127.0.0.1", 0), timeout=20)


def parse_connect(head: bytes) -> tuple[str, int] | None:
    """Return the name and port of a CONNECT request, or None for anything else.

    Only letters, digits, hyphens and dots make a name: nothing else of what the guest sends gets
    as far as a resolver.
    """
    request = CONNECT.fullmatch(head.split(b"\r\n", 1)[0])
    if request is None or int(request["port"]) > 65535:
        return None
    return request["name"].decode("ascii"), int(request["port"])


def _request_head(channel: Channel) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < MAX_REQUEST:
        chunk = channel.recv(1024)
        if not chunk:
            break
        head += chunk
    return head


def _hang_up(end: Any) -> None:
    """Close a socket or channel; the shutdown wakes whoever waits for it to speak."""
    with contextlib.suppress(SSHException, OSError, EOFError):
        end.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(SSHException, OSError, EOFError):
        end.close()


def _relay(one: Any, other: Any) -> None:
    """Copy both ways until both sides are done."""
    back = threading.Thread(target=_pump, args=(other, one), daemon=True)
    back.start()
    _pump(one, other)
    back.join()


def _pump(source: Any, target: Any) -> None:
    with contextlib.suppress(OSError, EOFError):
        for chunk in _chunks(source):
            target.sendall(chunk)
    with contextlib.suppress(OSError, EOFError):
        target.shutdown(socket.SHUT_WR)


def _chunks(source: Any) -> Iterator[bytes]:
    while chunk := source.recv(CHUNK):
        yield chunk
