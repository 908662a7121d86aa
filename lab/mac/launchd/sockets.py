"""Sockets of a job in inetd style: launchd listens, each connection is one instance.

Only `inetdCompatibility` with Wait=false, which is how sshd runs. launchd binds once, at load; what
cannot be bound is logged and skipped. Source: reference/macos.md §3, §5 (com.openssh.sshd.plist:
Wait=false, Instances 42).
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from . import log
from .loop import Loop

DEFAULT_INSTANCES = 42
BACKLOG = 128
SERVICES = {"ssh": "22", "http": "80", "https": "443"}  # a lab machine may lack /etc/services


class BadSocketsError(Exception):
    """What is wrong with `Sockets` or `inetdCompatibility`."""


@dataclass(frozen=True)
class Listener:
    """One TCP address to listen on; no node means every address of the machine."""

    service: str
    node: str | None = None
    family: int = socket.AF_UNSPEC


def parse(tree: object, inetd: object) -> tuple[tuple[Listener, ...], int]:
    """Read `Sockets` and `inetdCompatibility`; return the listeners and the cap on instances.

    Raises `BadSocketsError`.
    """
    if tree is None:
        return (), DEFAULT_INSTANCES
    if not isinstance(tree, dict):
        raise BadSocketsError("Sockets is not a dictionary")
    if not isinstance(inetd, dict) or inetd.get("Wait") is not False:
        return (), DEFAULT_INSTANCES  # launch_activate_socket(3) has no stand-in
    instances = inetd.get("Instances", DEFAULT_INSTANCES)
    if type(instances) is not int or instances < 1:
        raise BadSocketsError("inetdCompatibility/Instances is not a positive integer")
    listeners = []
    for name, value in tree.items():
        for entry in value if isinstance(value, list) else [value]:
            if not isinstance(entry, dict):
                raise BadSocketsError(f"Sockets/{name} is not a dictionary")
            listeners.append(_listener(name, entry))
    return tuple(listeners), instances


def _listener(name: str, entry: dict[str, object]) -> Listener:
    service, node = entry.get("SockServiceName"), entry.get("SockNodeName")
    if type(service) not in {str, int}:
        raise BadSocketsError(f"Sockets/{name}/SockServiceName is neither a string nor an integer")
    families = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
    family = families.get(str(entry.get("SockFamily")), socket.AF_UNSPEC)
    return Listener(str(service), str(node) if node else None, family)


def open_all(label: str, listeners: tuple[Listener, ...]) -> list[socket.socket]:
    """Bind every address of every listener; failures are logged and skipped."""
    found: list[socket.socket] = []
    for listener in listeners:
        try:
            addresses = socket.getaddrinfo(
                listener.node,
                SERVICES.get(listener.service, listener.service),
                listener.family,
                socket.SOCK_STREAM,
                0,
                socket.AI_PASSIVE,
            )
        except OSError as error:
            log.write(label, f"getaddrinfo({listener.service}): {error}", "Error")
            continue
        for family, _kind, _protocol, _name, address in addresses:
            try:
                found.append(_bound(family, address))
            except OSError as error:
                log.write(label, f"bind({address}): {error.strerror}", "Error")
    return found


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


class Inetd:
    """Accepts while there is room: at the cap, connections wait in the kernel's backlog."""

    def __init__(
        self, loop: Loop, listening: list[socket.socket], spawn: Callable[[socket.socket], None]
    ) -> None:
        self._loop, self._listening, self._spawn = loop, listening, spawn
        self._accepting = False

    @property
    def count(self) -> int:
        """Return how many sockets are bound."""
        return len(self._listening)

    def accept(self, wanted: bool) -> None:
        """Start or stop taking connections."""
        if wanted == self._accepting:
            return
        self._accepting = wanted
        for listening in self._listening:
            if wanted:
                self._loop.add(listening.fileno(), lambda s=listening: self._take(s))  # type: ignore[misc]
            else:
                self._loop.remove(listening.fileno())

    def close(self) -> None:
        """Stop listening."""
        self.accept(False)
        for listening in self._listening:
            listening.close()
        self._listening = []

    def _take(self, listening: socket.socket) -> None:
        try:
            connection, _peer = listening.accept()
        except OSError:
            return
        with connection:
            connection.setblocking(True)
            self._spawn(connection)
