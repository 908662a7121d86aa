"""What may pass, as a set: the language in which a model says what its rules have to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from . import names
from .address import TOP, Family, network, shown_network
from .packet import Direction, Packet, has_icmp_type, protocol_number
from .rule import TOP_PORT, protocol_name
from .spans import Spans, holds, united

ANY_PROTOCOL: Spans = ((0, 255),)
ANY_PORT: Spans = ((0, TOP_PORT),)
ANY_ICMP: Spans = ((0, 255),)
Ports = int | str | Iterable[int | str] | None


@dataclass(frozen=True)
class Flow:
    """A set of packets: every combination of what its fields hold.

    All sets are sorted, disjoint, inclusive intervals of numbers (`spans.Spans`); `Flow.of` makes
    them from text. Ports narrow TCP and UDP only, so a Flow that names some must be of these
    protocols; likewise ICMP types and codes. `state` says what the rule that passes it has to do:
    True, make a state (else replies are refused); False, make none; None, either.
    """

    direction: Direction
    family: Family
    protocol: Spans
    source: Spans
    destination: Spans
    source_ports: Spans = ANY_PORT
    destination_ports: Spans = ANY_PORT
    icmp_types: Spans = ANY_ICMP
    icmp_codes: Spans = ANY_ICMP
    state: bool | None = None

    def __post_init__(self) -> None:
        spans = set(_numbers(self.protocol))
        if self._narrows_ports and not spans <= names.WITH_PORTS:
            raise ValueError("only TCP and UDP have ports")
        if self._narrows_icmp and not spans <= {_icmp(self.family)}:
            raise ValueError("only ICMP has types, and IPv6 has ICMPv6")

    @classmethod
    def of(  # noqa: PLR0913 (a flow has that many sides)
        cls,
        direction: Direction,
        family: Family,
        protocol: str = "any",
        source: str | Iterable[str] = "any",
        destination: str | Iterable[str] = "any",
        *,
        source_ports: Ports = None,
        ports: Ports = None,
        icmp: tuple[int, int | None] | None = None,
        state: bool | None = None,
    ) -> Flow:
        """Make one from text.

        `protocol` is a name, a number or `any`; `source` and `destination` are networks or `any`;
        `ports` (of the destination) and `source_ports` are numbers or texts `first:last`, None for
        all; `icmp` is a type and a code, None for all. Raises ValueError.
        """
        number = None if protocol == "any" else protocol_number(protocol)
        kind, code = icmp if icmp is not None else (None, None)
        return cls(
            direction,
            family,
            ANY_PROTOCOL if number is None else ((number, number),),
            _networks(family, source),
            _networks(family, destination),
            _ports(source_ports),
            _ports(ports),
            ANY_ICMP if kind is None else ((kind, kind),),
            ANY_ICMP if code is None else ((code, code),),
            state,
        )

    def holds(self, packet: Packet) -> bool:
        """Tell whether a packet is in the set, whatever its interface."""
        if (packet.direction, packet.family) != (self.direction, self.family):
            return False
        sides = [
            (self.protocol, packet.protocol),
            (self.source, packet.source),
            (self.destination, packet.destination),
        ]
        if packet.protocol in names.WITH_PORTS:
            sides += [(self.source_ports, packet.source_port)]
            sides += [(self.destination_ports, packet.destination_port)]
        if has_icmp_type(packet.family, packet.protocol):
            sides += [(self.icmp_types, packet.icmp_type), (self.icmp_codes, packet.icmp_code)]
        return all(holds(spans, value) for spans, value in sides)

    @property
    def _narrows_ports(self) -> bool:
        return (self.source_ports, self.destination_ports) != (ANY_PORT, ANY_PORT)

    @property
    def _narrows_icmp(self) -> bool:
        return (self.icmp_types, self.icmp_codes) != (ANY_ICMP, ANY_ICMP)

    def __str__(self) -> str:
        words: list[str] = [self.direction, self.family]
        if self.protocol != ANY_PROTOCOL:
            words.append(_listed("proto", self.protocol, protocol_name))
        words.append(f"from {_addresses(self.family, self.source)}")
        if self.source_ports != ANY_PORT:
            words.append(_listed("port", self.source_ports))
        words.append(f"to {_addresses(self.family, self.destination)}")
        if self.destination_ports != ANY_PORT:
            words.append(_listed("port", self.destination_ports))
        if self._narrows_icmp:
            words += [_listed("type", self.icmp_types), _listed("code", self.icmp_codes)]
        return " ".join(words)


def _numbers(spans: Spans) -> Iterable[int]:
    return (number for low, high in spans for number in range(low, high + 1))


def _icmp(family: str) -> int:
    return names.ICMP if family == "inet" else names.ICMP6


def _networks(family: Family, text: str | Iterable[str]) -> Spans:
    found: list[tuple[int, int]] = []
    for one in [text] if isinstance(text, str) else text:
        if one == "any":
            found.append((0, TOP[family]))
            continue
        of, low, high = network(one)
        if of != family:
            raise ValueError(f"{one} is not {family}")
        found.append((low, high))
    return united(found)


def _ports(ports: Ports) -> Spans:
    if ports is None:
        return ANY_PORT
    return united(_port(one) for one in ([ports] if isinstance(ports, int | str) else ports))


def _port(text: int | str) -> tuple[int, int]:
    first, colon, last = str(text).partition(":")
    if not all(end.isascii() and end.isdigit() for end in ((first, last) if colon else (first,))):
        raise ValueError(f"{text!r} is no port, nor first:last")
    low, high = int(first), int(last if colon else first)
    if not low <= high <= TOP_PORT:
        raise ValueError(f"{text!r} holds no port")
    return low, high


def _listed(word: str, spans: Spans, shown: Callable[[int], str] = str) -> str:
    texts = [shown(low) if low == high else f"{shown(low)}:{shown(high)}" for low, high in spans]
    return f"{word} {texts[0]}" if len(texts) == 1 else f"{word} {{ {', '.join(texts)} }}"


def _addresses(family: Family, spans: Spans) -> str:
    if spans == ((0, TOP[family]),):
        return "any"
    texts = [shown_network(family, low, high) for low, high in spans]
    return texts[0] if len(texts) == 1 else f"{{ {', '.join(texts)} }}"
