"""One packet as pf sees it: the first of its flow, so that no state answers for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from . import names
from .address import Family, address, shown
from .rule import TOP_PORT, protocol_name

Direction = Literal["in", "out"]
DIRECTIONS: tuple[Direction, Direction] = ("in", "out")
SYN = "S"


@dataclass(frozen=True)
class Packet:
    """A packet on `interface`, going `in` to the host or `out` of it, after any translation.

    Ports exist for TCP and UDP; `icmp_type` and `icmp_code` for ICMP on IPv4 and ICMPv6 on IPv6.
    They are 0, and mean nothing, elsewhere. `flags` are TCP's, as letters of pf.conf(5); the first
    packet of a connection has S alone.
    """

    interface: str
    direction: Direction
    family: Family
    protocol: int
    source: int
    destination: int
    source_port: int = 0
    destination_port: int = 0
    icmp_type: int = 0
    icmp_code: int = 0
    flags: str = SYN

    def __post_init__(self) -> None:
        for port in (self.source_port, self.destination_port):
            if not 0 <= port <= TOP_PORT:
                raise ValueError(f"{port} is no port")

    @classmethod
    def of(  # noqa: PLR0913 (a packet has that many sides)
        cls,
        interface: str,
        direction: Direction,
        protocol: str,
        source: str,
        destination: str,
        *,
        source_port: int = 0,
        destination_port: int = 0,
        icmp: tuple[int, int] = (0, 0),
        flags: str = SYN,
    ) -> Packet:
        """Make one from text: the protocol's name or number, and two addresses of one family.

        Raises ValueError for what is neither.
        """
        (family, sender), (other, receiver) = address(source), address(destination)
        if family != other:
            raise ValueError(f"{source} and {destination} are not of one family")
        return cls(
            interface, direction, family, protocol_number(protocol), sender, receiver,
            source_port, destination_port, *icmp, flags,
        )  # fmt: skip

    def __str__(self) -> str:
        words = [
            self.direction,
            "on",
            self.interface,
            "proto",
            protocol_name(self.protocol),
            "from",
        ]
        ports = self.protocol in names.WITH_PORTS
        words.append(shown(self.family, self.source))
        words += [f"port {self.source_port}"] if ports else []
        words += ["to", shown(self.family, self.destination)]
        words += [f"port {self.destination_port}"] if ports else []
        if has_icmp_type(self.family, self.protocol):
            words.append(f"type {self.icmp_type} code {self.icmp_code}")
        if self.protocol == names.TCP and self.flags != SYN:
            words.append(f"flags {self.flags or 'none'}")
        return " ".join(words)


def protocol_number(text: str) -> int:
    """Read a protocol's name or number. Raises ValueError."""
    if text in names.PROTOCOLS:
        return names.PROTOCOLS[text]
    if text.isascii() and text.isdigit() and int(text) <= 255:
        return int(text)
    raise ValueError(f"{text!r} is no protocol")


def has_icmp_type(family: str, protocol: int) -> bool:
    """Tell whether pf reads an ICMP type in such packets."""
    return (family, protocol) in {("inet", names.ICMP), ("inet6", names.ICMP6)}
