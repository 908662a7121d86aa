"""`on …`, families, protocols, `from … to …`: where a rule looks.

Source: reference/pf-grammar.md (port operators, lists); reference/macos.md §1.1 (names as addresses
are resolved when the rules are loaded, which only the host can do).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from .. import names
from ..address import network
from ..rule import ANY, NO_PORT, Address, Port
from ..tokens import Tokens

MAX_INTERFACE, MAX_TABLE = 15, 31
_UNARY = {"<": "<=", ">": ">=", "!": "!="}


@dataclass(slots=True)
class Peers:
    """Both sides of a rule, lists not yet expanded."""

    sources: Sequence[Address] = (ANY,)
    source_ports: Sequence[Port] = (NO_PORT,)
    systems: Sequence[str] = ("",)
    destinations: Sequence[Address] = (ANY,)
    destination_ports: Sequence[Port] = (NO_PORT,)


def interfaces(tokens: Tokens) -> Sequence[tuple[str, bool]]:
    """Read `on …`: names, and whether each is negated."""
    return tokens.items(_interface) if tokens.accept("on") else (("", False),)


def _interface(tokens: Tokens) -> tuple[str, bool]:
    negated = tokens.accept("!")
    return interface(tokens), negated


def interface(tokens: Tokens) -> str:
    """Read the name of an interface, which need not exist."""
    mark = tokens.at
    name = tokens.string("the name of an interface")
    if len(name) > MAX_INTERFACE:
        tokens.fail(f"interface name too long: more than {MAX_INTERFACE} characters", mark)
    return name


def family(tokens: Tokens) -> str:
    """Read `inet` or `inet6`, if it is there."""
    return tokens.next() if tokens.peek in {"inet", "inet6"} else ""


def protocols(tokens: Tokens) -> Sequence[int]:
    """Read `proto …`; (0,) stands for any."""
    return tokens.items(_protocol) if tokens.accept("proto") else (0,)


def _protocol(tokens: Tokens) -> int:
    if tokens.peek.isdigit():
        mark = tokens.at
        if (number := tokens.number("a protocol number", 255)) == 0:
            tokens.fail("proto 0 cannot be used", mark)
        return number
    if tokens.peek not in names.PROTOCOLS:
        tokens.wrong("a protocol")
    return names.PROTOCOLS[tokens.next()]


def peers(tokens: Tokens) -> Peers:
    """Read `all` or `[from …] [os …] [to …]`."""
    found = Peers()
    if tokens.accept("all"):
        return found
    if tokens.accept("from"):
        found.sources, found.source_ports = _side(tokens)
    if tokens.accept("os"):
        found.systems = tokens.items(_system)
    if tokens.accept("to"):
        found.destinations, found.destination_ports = _side(tokens)
    return found


def _system(tokens: Tokens) -> str:
    return f'"{tokens.string("an operating system")}"'


def _side(tokens: Tokens) -> tuple[Sequence[Address], Sequence[Port]]:
    hosts: Sequence[Address] = (ANY,)
    if tokens.peek != "port" and not tokens.accept("any"):
        hosts = tokens.items(_negatable)
    return hosts, tokens.items(_port) if tokens.accept("port") else (NO_PORT,)


def _negatable(tokens: Tokens) -> Address:
    if tokens.peek in {"no-route", "urpf-failed"}:
        return Address(tokens.next())
    mark, negated = tokens.at, tokens.accept("!")
    found = host(tokens)
    if not negated:
        return found
    if found.kind == "any":
        tokens.fail("a rule for no address at all matches nothing", mark)
    return found._replace(negated=True)


def host(tokens: Tokens) -> Address:
    """Read an address, network, range, `(if)`, `<table>` or `route` label."""
    mark = tokens.at
    if tokens.accept("("):
        name = tokens.string("the name of an interface")
        tokens.expect(")")
        if tokens.peek.startswith("/"):
            tokens.fail("a prefix of an interface's address is not judged here", mark)
        return Address("dynamic", name=name)
    if tokens.accept("<"):
        found = Address("table", name=table_name(tokens))
        tokens.expect(">")
        return found
    if tokens.accept("route"):
        return Address("route", name=tokens.string("a route's label"))
    first = _network(tokens)
    if not tokens.accept("-"):
        return first
    last = _network(tokens)
    if first.family != last.family or first.low != first.high or last.low != last.high:
        tokens.fail("invalid address range: expected two addresses of one family", mark)
    if first.low > last.low:
        tokens.fail("a range of addresses that ends before it begins", mark)
    if first.low == last.low:
        return first
    return Address("range", first.family, first.low, last.low)


def table_name(tokens: Tokens) -> str:
    """Read the name of a table."""
    mark = tokens.at
    name = tokens.string("the name of a table")
    if len(name) > MAX_TABLE:
        tokens.fail(f"table name too long, max {MAX_TABLE} chars", mark)
    return name


def _network(tokens: Tokens) -> Address:
    try:
        found = _address(tokens.peek)
    except ValueError as problem:
        if tokens.peek in {"", "\n"}:
            tokens.wrong("an address")
        tokens.fail(f"{problem} (names are resolved at load: not judged here)"
                    if tokens.peek[:1].isalpha() else str(problem))  # fmt: skip
    tokens.next()
    return found


@lru_cache(maxsize=4096)
def _address(text: str) -> Address:
    of, low, high = network(text)
    # `0.0.0.0/0` prints as `any`; what it says of the family is in the rule.
    kind = "any" if text.endswith("/0") else "net"
    return Address(kind, of, low, high) if kind == "net" else Address(kind, of)


def _port(tokens: Tokens) -> Port:
    mark, op = tokens.at, ""
    if tokens.peek in {"=", "!", "<", ">"}:
        op = tokens.next()
        if op != "=" and tokens.accept("="):
            op = _UNARY[op]
        if op == "!":
            tokens.wrong("'='")
    low, high = _ports(tokens)
    if op or tokens.peek not in {"><", "<>"}:
        if op and high is not None:
            tokens.fail("':' cannot be used with an other port operator", mark)
        return Port(op or "=", low) if high is None else Port(":", low, high)
    op = tokens.next()
    end, more = _ports(tokens)
    if high is not None or more is not None:
        tokens.fail("':' cannot be used with an other port operator", mark)
    return Port(op, low, end)


def _ports(tokens: Tokens) -> tuple[int, int | None]:
    first, colon, last = tokens.peek.partition(":")
    low = _number(tokens, first)
    high = _number(tokens, last) if colon else None
    if high is not None and high < low:
        tokens.fail("a range of ports that ends before it begins")
    tokens.next()
    return low, high


def _number(tokens: Tokens, text: str) -> int:
    if text.isascii() and text.isdigit():
        if int(text) > 65535:
            tokens.fail(f"illegal port value {text}")
        return int(text)
    if text not in names.SERVICES:
        tokens.wrong("a port")
    return names.SERVICES[text]
