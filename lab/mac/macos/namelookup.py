"""How a Mac looks a name up: /etc/resolver first, then the DNS server that DHCP announced.

Source: resolver(5); mDNSResponder asks on behalf of every program that uses libc.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

RESOLVER_FOLDER = Path("/etc/resolver")
FROM_DHCP = Path("/var/run/resolv.conf")
DNS_PORT = 53
TIMEOUT_S = 5.0
HEADER = struct.Struct("!HHHHHH")
RESPONSE, RECURSION_AVAILABLE = 0x8000, 0x0080
FORMERR, SERVFAIL, NXDOMAIN = 1, 2, 3


@dataclass
class Client:
    """One DNS client of resolver(5): the servers for `domain`, and for all below it."""

    domain: str
    servers: list[str] = field(default_factory=list)
    port: int = DNS_PORT
    timeout_s: float = TIMEOUT_S

    @classmethod
    def read(cls, path: Path, domain: str) -> Client:
        """Read a file of resolver(5); the name of the file is the domain unless it says another."""
        client = cls(domain.lower().rstrip("."))
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split("#")[0].split(";")[0].split()
            match words[:2]:
                case ["nameserver", server]:
                    client.servers.append(server)
                case ["port", port] if port.isdigit():
                    client.port = int(port)
                case ["timeout", seconds] if seconds.isdigit():
                    client.timeout_s = float(seconds)
                case ["domain", other]:
                    client.domain = other.lower().rstrip(".")
        return client


def client_for(name: str, folder: Path = RESOLVER_FOLDER, announced: Path = FROM_DHCP) -> Client:
    """Return who is asked for `name`: of the matching clients the one with the longest domain.

    A client without a server answers nothing, and nobody else is asked in its place.
    """
    found = [client for client in _clients(folder) if _within(name, client.domain)]
    if found:
        return max(found, key=lambda client: client.domain.count("."))
    with contextlib.suppress(OSError):
        return Client.read(announced, "")
    return Client("")


def _clients(folder: Path) -> Iterator[Client]:
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if not path.name.startswith(".") and path.is_file():
                yield Client.read(path, path.name)


def _within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def asked_name(query: bytes) -> str:
    """Return the name in a query, in lower case. Raises ValueError for what is no plain query."""
    labels, place = [], HEADER.size
    try:
        while length := query[place]:
            labels.append(query[place + 1 : place + 1 + length].decode("ascii").lower())
            place += length + 1
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("no plain question") from error
    return ".".join(labels)


def failure(query: bytes, code: int) -> bytes:
    """Return the answer to `query` that is an error code and nothing else."""
    number, flags, *_ = HEADER.unpack_from(query)
    flags = flags & 0x0100 | RESPONSE | RECURSION_AVAILABLE | code
    return HEADER.pack(number, flags, 1, 0, 0, 0) + query[HEADER.size :]


def answer(query: bytes, *, tcp: bool) -> bytes:
    """Return the answer of whoever is asked for the name; SERVFAIL when there is none."""
    try:
        name = asked_name(query)
    except ValueError:
        return failure(query[: HEADER.size], FORMERR)
    if _within(name, "local"):
        # Multicast's own, and nobody on the wire answers it here.
        return failure(query, NXDOMAIN)
    client = client_for(name)
    for server in client.servers:
        with contextlib.suppress(OSError):
            return _ask(server, client, query, tcp=tcp)
    return failure(query, SERVFAIL)


def _ask(server: str, client: Client, query: bytes, *, tcp: bool) -> bytes:
    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as out:
        out.settimeout(client.timeout_s)
        # Connected, a refusal is heard at once.
        out.connect((server, client.port))
        if not tcp:
            out.send(query)
            return out.recv(65535)
        out.sendall(struct.pack("!H", len(query)) + query)
        with out.makefile("rb") as stream:
            return _message(stream.read)


def _message(read: Callable[[int], bytes]) -> bytes:
    """Read one message of DNS over TCP. Raises OSError when it ends before."""
    head = read(2)
    if len(head) < 2:
        raise OSError("no answer")
    (length,) = struct.unpack("!H", head)
    message = read(length)
    if len(message) < length:
        raise OSError("half an answer")
    return message


class Lookup:
    """Answers at `address`:53, UDP and TCP, from `start` on, in threads of its own."""

    def __init__(self, address: str, port: int = DNS_PORT) -> None:
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for one in (self._udp, self._tcp):
            one.bind((address, port))
        self._tcp.listen(16)

    def start(self) -> None:
        """Begin to answer."""
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def _serve_udp(self) -> None:
        while True:
            query, client = self._udp.recvfrom(65535)
            threading.Thread(target=self._reply_udp, args=(query, client), daemon=True).start()

    def _reply_udp(self, query: bytes, client: tuple[str, int]) -> None:
        if len(query) >= HEADER.size:
            with contextlib.suppress(OSError):
                self._udp.sendto(answer(query, tcp=False), client)

    def _serve_tcp(self) -> None:
        while True:
            client, _ = self._tcp.accept()
            threading.Thread(target=self._converse, args=(client,), daemon=True).start()

    def _converse(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, client.makefile("rb") as stream:
            client.settimeout(2 * TIMEOUT_S)
            while len(query := _message(stream.read)) >= HEADER.size:
                reply = answer(query, tcp=True)
                client.sendall(struct.pack("!H", len(reply)) + reply)
