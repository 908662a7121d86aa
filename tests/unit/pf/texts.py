"""Rules and flows at random, over a world so small that all of it can be tried.

Every constant that a rule or flow can name has its neighbours in the world below, so that two
packets which some rule tells apart are both in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from hypothesis import strategies as st

from clawkeep.pf import Flow, Packet, Ruleset, parse_rules
from clawkeep.pf.address import Family
from clawkeep.pf.packet import DIRECTIONS, Direction

ON = "bridge100"
SOURCES: dict[Family, tuple[str, ...]] = {
    "inet": ("any", "10.0.0.1", "10.0.0.0/30", "10.0.0.3 - 10.0.0.5", "<t>"),
    "inet6": ("any", "fd00::1", "<t>"),
}
DESTINATIONS: dict[Family, tuple[str, ...]] = {
    "inet": ("any", "10.0.0.1"),
    "inet6": ("any", "fd00::/16"),
}
TABLES = {"": {"t": ("10.0.0.0/29", "!10.0.0.2", "fd00::/64")}}
UNIVERSE: dict[Family, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "inet": (
        ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.7", "9.9.9.9"),
        ("10.0.0.1", "9.9.9.9"),
    ),
    "inet6": (("fd00::1", "fd00::2", "::1"), ("fd00::1", "::1")),
}
SOURCE_PORTS = (0, 1)
PORTS = (0, 1, 2, 3, 4)
ICMP = ((0, 0), (8, 0), (8, 1))


def _packets() -> Iterator[Packet]:
    for direction, (family, (sources, destinations)) in product(DIRECTIONS, UNIVERSE.items()):
        icmp = "icmp" if family == "inet" else "ipv6-icmp"
        echo = {0: 129, 8: 128} if family == "inet6" else {0: 0, 8: 8}
        for ends in product(sources, destinations):
            for protocol, source_port, port in product(("tcp", "udp"), SOURCE_PORTS, PORTS):
                for flags in ("S", "A") if protocol == "tcp" else ("S",):
                    yield Packet.of(
                        ON, direction, protocol, *ends,
                        source_port=source_port, destination_port=port, flags=flags,
                    )  # fmt: skip
            for kind, code in ICMP:
                yield Packet.of(ON, direction, icmp, *ends, icmp=(echo[kind], code))
            for protocol in ("47", "2", "58" if family == "inet" else "1"):
                yield Packet.of(ON, direction, protocol, *ends)


WORLD = tuple(_packets())

_PORTS = st.one_of(
    st.sampled_from(["= 1", "2", "!= 3", "< 2", "> 2", "<= 1", ">= 3", "2:3", "1 >< 3", "1 <> 2"]),
    st.just("{ 1 3 }"),
)
_SOURCE_PORTS = st.sampled_from(["= 1", "!= 1"])


@st.composite
def _side(draw: st.DrawFn, choices: tuple[str, ...], ports: st.SearchStrategy[str] | None) -> str:
    address = draw(st.sampled_from(choices))
    if address != "any" and draw(st.integers(0, 4)) == 0:
        address = f"! {address}"
    if ports is not None and draw(st.booleans()):
        return f"{address} port {draw(ports)}"
    return address


@st.composite
def _conditions(draw: st.DrawFn, *, flags: bool, doubtful: bool) -> str:
    names = ["", "on bridge100", "on bridge101", "on ! bridge101"]
    words = [draw(st.sampled_from([*names, "on bridge", "on ! bridge"] if doubtful else names))]
    family: Family = draw(st.sampled_from(["inet", "inet", "inet", "inet6"]))
    words.append(family)
    protocol = draw(
        st.sampled_from(["", "proto tcp", "proto udp", "proto { tcp udp }", "proto 47", "icmp"])
    )
    with_ports = "tcp" in protocol or "udp" in protocol
    if protocol == "icmp":
        protocol = "proto icmp" if family == "inet" else "proto icmp6"
    words.append(protocol)
    words.append(f"from {draw(_side(SOURCES[family], _SOURCE_PORTS if with_ports else None))}")
    words.append(f"to {draw(_side(DESTINATIONS[family], _PORTS if with_ports else None))}")
    if "icmp" in protocol and draw(st.booleans()):
        word = "icmp6-type" if family == "inet6" else "icmp-type"
        words.append(f"{word} echoreq {draw(st.sampled_from(['', 'code 1']))}")
    if flags and protocol in {"", "proto tcp"} and draw(st.integers(0, 3)) == 0:
        words.append(draw(st.sampled_from(["flags any", "flags S/S", "flags A/SA", "flags /A"])))
    return " ".join(words)


@st.composite
def _rule(draw: st.DrawFn, *, doubtful: bool) -> str:
    action = draw(st.sampled_from(["pass", "block", "block return", "block drop"]))
    words = [action, draw(st.sampled_from(["", "in", "out"]))]
    words += [
        draw(st.sampled_from(["", "", "quick"])),
        draw(_conditions(flags=True, doubtful=doubtful)),
    ]
    if doubtful and draw(st.integers(0, 4)) == 0:
        words.append(draw(st.sampled_from(["user root", "probability 50%", "tos 0x10"])))
    if action == "pass" and draw(st.integers(0, 3)) == 0:
        words.append("no state")
    return " ".join(word for word in words if word)


@st.composite
def anchor_texts(draw: st.DrawFn, *, doubtful: bool = False, depth: int = 0) -> str:
    """The text of one anchor, with anchors inline."""
    lines: list[str] = []
    for _ in range(draw(st.integers(0, 4))):
        if depth < 2 and draw(st.integers(0, 5)) == 0:
            quick = draw(st.sampled_from(["", "quick"]))
            body = draw(anchor_texts(doubtful=doubtful, depth=depth + 1))
            conditions = draw(_conditions(flags=False, doubtful=doubtful))
            lines.append(f"anchor {quick} {conditions} {{\n{body}}}")
        else:
            lines.append(draw(_rule(doubtful=doubtful)))
    return "".join(f"{line}\n" for line in lines)


@st.composite
def rulesets(draw: st.DrawFn, *, doubtful: bool = False) -> Ruleset:
    """A main ruleset with rules of its own, and anchors that it walks, or does not."""
    before, after = (draw(anchor_texts(doubtful=doubtful, depth=1)) for _ in range(2))
    quick = draw(st.sampled_from(["", "quick"]))
    main = f'{before}anchor "com.apple/*" {quick} all\n{after}anchor "last" all\n'
    names = ("com.apple/000.a", "com.apple/200.b", "com.apple/200.b/deeper", "last", "unused")
    anchors = {name: parse_rules(draw(anchor_texts(doubtful=doubtful))) for name in names}
    return Ruleset(parse_rules(main), anchors, TABLES)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """A declared flow."""
    direction: Direction = draw(st.sampled_from(DIRECTIONS))
    family: Family = draw(st.sampled_from(["inet", "inet", "inet6"]))
    protocol = draw(st.sampled_from(["any", "tcp", "udp", "47"]))
    plain = [one for one in SOURCES[family] if one[0] != "<" and " - " not in one]
    ports = protocol in {"tcp", "udp"}
    return Flow.of(
        direction,
        family,
        protocol,
        draw(st.sampled_from(plain)),
        draw(st.sampled_from(DESTINATIONS[family])),
        source_ports=draw(st.sampled_from([None, 1])) if ports else None,
        ports=draw(st.sampled_from([None, 1, "2:3", [1, 3]])) if ports else None,
    )
