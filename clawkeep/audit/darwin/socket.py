"""`host.socket` on macOS: `lsof`, since netstat of macOS knows no programs and cuts names.

`-F` prints a field a line, made for programs. As root it sees everybody's sockets. Source:
lsof(8), OUTPUT FOR OTHER PROGRAMS; reference/macos.md §9.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from testinfra.modules.socket import Socket

COMMANDS = {
    "tcp": "lsof -nP -iTCP -sTCP:LISTEN -FpcLtn",
    "udp": "lsof -nP -iUDP -FpcLtn",
    "unix": "lsof -nP -U -FpcLtn",
    "clients": "lsof -nP -iTCP -sTCP:ESTABLISHED -FpcLtn",
}
EVERYWHERE = {"IPv4": "0.0.0.0", "IPv6": "::"}  # noqa: S104 - what lsof's `*` stands for


@dataclass(frozen=True)
class Listener:
    """One socket: where it listens, and whose it is."""

    protocol: str
    host: str
    port: int | None
    pid: int
    command: str
    user: str

    def __str__(self) -> str:
        where = self.host if self.port is None else f"{self.host}:{self.port}"
        return f"{self.protocol} {where} ({self.command}, {self.user})"


class DarwinSocket(Socket):
    """Listening sockets.

    >>> host.socket("tcp://192.168.64.1:8443").is_listening
    True
    """

    @classmethod
    def listeners(cls, protocol: str = "tcp") -> list[Listener]:
        """Return all sockets that listen, each once per address."""
        return list(_listeners(protocol, cls._lsof(protocol)))

    @classmethod
    def _lsof(cls, kind: str) -> str:
        # 1: it found none, or could not look; the second says so on stderr, and prints nothing.
        return str(cls.run_expect([0, 1], COMMANDS[kind]).stdout)

    def _iter_sockets(self, listening: bool) -> Iterator[tuple[object, ...]]:
        """Yield sockets as upstream's `is_listening` and `clients` want them."""
        if not listening:
            yield from _connections(self._lsof("clients"))
            return
        for protocol in [self.protocol] if self.protocol else ["tcp", "udp", "unix"]:
            for found in _listeners(protocol, self._lsof(protocol)):
                port = () if found.port is None else (found.port,)
                yield found.protocol, found.host, *port


def _names(text: str) -> Iterator[tuple[dict[str, str], str]]:
    """Yield each name with the fields that came before it: of its process and of its file."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, value = line[:1], line[1:]
        if key == "p":
            fields = {}
        if key == "n":
            yield fields, value
        else:
            fields[key] = value


def _listeners(protocol: str, text: str) -> Iterator[Listener]:
    seen = set()
    for fields, name in _names(text):
        where, _, port = name.partition("->")[0].rpartition(":")
        number: int | None = int(port) if port.isdigit() else None
        if protocol == "unix":
            where, number = name, None
            if not name.startswith("/"):
                continue
        elif number is None:
            continue
        where = EVERYWHERE.get(fields.get("t", ""), where) if where == "*" else where.strip("[]")
        pid = int(fields.get("p", "0") or 0)
        found = Listener(protocol, where, number, pid, fields.get("c", "?"), fields.get("L", "?"))
        if found not in seen:
            seen.add(found)
            yield found


def _connections(text: str) -> Iterator[tuple[object, ...]]:
    for _, name in _names(text):
        ours, arrow, theirs = name.partition("->")
        host, _, port = ours.rpartition(":")
        client, _, number = theirs.rpartition(":")
        if arrow and port.isdigit() and number.isdigit():
            yield "tcp", host.strip("[]"), int(port), client.strip("[]"), int(number)
