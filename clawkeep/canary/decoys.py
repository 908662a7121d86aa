"""Ports that stand open on the host while a run lasts, and that no guest may reach.

A refused connection looks like a closed port, so a denial of a port on which nothing listens
proves nothing. These listen, answer the host itself, and tell who touched them: the one witness
of a leak that needs no word of the guest.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import threading
import time
from collections.abc import Collection
from ipaddress import ip_address
from types import TracebackType

from clawkeep.canary.probe import Decoys
from clawkeep.link import Link

ATTEMPTS = 20
HELLO = b"clawkeep decoy\n"
SELF_TEST_S = 1.0


TENTATIVE_S = 3.0
"""How long a new bridge may take to make sure that its IPv6 address is its own (RFC 4862 §5.4)."""


class DecoyError(OSError):
    """The decoys do not stand, so a silence would prove nothing."""


class Trap:
    """Decoys on the gateway: TCP and UDP, and TCP on the bridge's link-local IPv6 address.

    A context manager. `taken` are ports that are open to the guest. Raises DecoyError on entering
    when a port cannot be bound or does not answer the host itself.
    """

    def __init__(self, link: Link, gateway6: str | None, taken: Collection[int]) -> None:
        self._link = link
        self._gateway6 = f"{gateway6.partition('%')[0]}%{link.bridge}" if gateway6 else None
        self._taken = taken
        self._touched: set[str] = set()
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._wake, self._sleep = socket.socketpair()

    def __enter__(self) -> Trap:
        try:
            self.ports = self._open()
            self._selector.register(self._sleep, selectors.EVENT_READ)
            self._thread.start()
            self._answer_the_host()
        except OSError as error:
            self._close()
            raise DecoyError(f"no decoys on {self._link.gateway}: {error}") from error
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._close()

    @property
    def touched(self) -> tuple[str, ...]:
        """Return who reached a decoy, one sentence each."""
        return tuple(sorted(self._touched))

    def _open(self) -> Decoys:
        gateway = f"{self._link.gateway}"
        tcp = self._bound(gateway, socket.SOCK_STREAM)
        udp = self._bound(gateway, socket.SOCK_DGRAM)
        tcp6 = self._bound(self._gateway6, socket.SOCK_STREAM) if self._gateway6 else None
        return Decoys(tcp, udp, tcp6)

    def _bound(self, host: str, kind: socket.SocketKind) -> int:
        for _ in range(ATTEMPTS):
            family, _, _, _, address = socket.getaddrinfo(host, 0, type=kind)[0]
            made = socket.socket(family, kind)
            _bind(made, address)
            port: int = made.getsockname()[1]
            if port not in self._taken:
                break
            made.close()
        else:
            raise OSError("every port that the kernel offered is a door")
        made.setblocking(False)
        if kind == socket.SOCK_STREAM:
            made.listen(16)
        self._sockets.append(made)
        self._selector.register(made, selectors.EVENT_READ)
        return port

    def _answer_the_host(self) -> None:
        """Touch the TCP decoy ourselves: the control of all probes that must not reach it."""
        there = (f"{self._link.gateway}", self.ports.tcp)
        with socket.create_connection(there, timeout=SELF_TEST_S) as sock:
            if sock.recv(len(HELLO)) != HELLO:
                raise OSError("it does not answer the host itself")

    def _watch(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._sleep:
                    return
                if isinstance(key.fileobj, socket.socket):
                    with contextlib.suppress(OSError):
                        self._greet(key.fileobj)

    def _greet(self, decoy: socket.socket) -> None:
        if decoy.type == socket.SOCK_STREAM:
            caller, peer = decoy.accept()
            with caller:
                self._note("TCP", peer[0])
                caller.setblocking(False)
                caller.send(HELLO)
        else:
            # Nothing is answered: a sender's address may be false.
            _, peer = decoy.recvfrom(64)
            self._note("UDP", peer[0])

    def _note(self, protocol: str, peer: str) -> None:
        """Note a guest; the host's own test, and a LAN that routes to the gateway, are none."""
        address = ip_address(peer.partition("%")[0])
        if address != self._link.gateway and (
            address.version == 6 or address in self._link.network
        ):
            self._touched.add(f"decoy on the gateway, {protocol}: reached from {peer}")

    def _close(self) -> None:
        self._wake.close()
        if self._thread.is_alive():
            self._thread.join(1)
        self._selector.close()
        for made in (*self._sockets, self._sleep):
            made.close()


def _bind(sock: socket.socket, address: tuple[object, ...]) -> None:
    """Bind; an address that is still tentative is waited for. Raises OSError naming the address."""
    deadline = time.monotonic() + TENTATIVE_S
    while True:
        try:
            sock.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            sock.close()
            raise OSError(error.errno, f"{address[0]}: {error.strerror}") from error
        return
