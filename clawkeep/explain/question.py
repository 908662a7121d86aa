"""Reads what `clawkeep explain` is asked: from where, to what, by which port and protocol."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Literal

from clawkeep.model.hostname import as_ipv4, host_name
from clawkeep.policy import Door

Kind = Literal["door", "guest", "gateway", "host", "internet", "address", "name"]

PROTOCOLS = ("tcp", "udp", "icmp", "icmp6")
PLACES: tuple[Literal["guest", "gateway", "host", "internet"], ...] = (
    "guest",
    "gateway",
    "host",
    "internet",
)
FORM = (
    "write a service (vaultwarden), or PLACE:PORT/PROTOCOL like gateway:22/tcp, host:445/tcp, "
    "1.1.1.1:443/tcp, api.anthropic.com:443/tcp, internet:53/udp, 10.0.30.99/icmp or "
    "[2606:4700::1111]:443/tcp"
)


class QuestionError(ValueError):
    """What was asked is no flow; the text says what is expected, and what may have been meant."""


@dataclass(frozen=True, slots=True)
class Question:
    """One flow to explain.

    `source` is `guest`, `host`, or the IPv4 address of another machine; `value` the name of the
    door, the address or the DNS name, by `kind`. `port` is None without TCP or UDP.
    """

    source: str
    kind: Kind
    value: str
    protocol: str = "tcp"
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.value}]" if ":" in self.value and self.port else self.value
        port = f":{self.port}" if self.port else ""
        return f"{self.source} -> {host}{port}/{self.protocol}"


def question(source: str, destination: str, doors: Iterable[Door]) -> Question:
    """Read `SRC DST[:PORT][/PROTOCOL]`; `doors` are the services and grants that have a name.

    Raises QuestionError.
    """
    known = {door.name: door for door in doors}
    place, slash, protocol = destination.partition("/")
    _known_protocol(destination, protocol if slash else None)
    host, port = _split(destination, place)
    kind = _kind(host, known)
    asked = _door(known[host], destination, port, protocol) if kind == "door" else None
    made = asked or Question("", kind, _plain(kind, host), *_carried(destination, port, protocol))
    _families(made)
    return Question(_source(source, made), made.kind, made.value, made.protocol, made.port)


def _source(text: str, asked: Question) -> str:
    if text == "guest":
        if asked.kind == "guest":
            raise QuestionError("the guest reaches itself without passing any layer")
        return text
    if text != "host" and as_ipv4(text) is None:
        near = _near(text, ("guest", "host"))
        raise QuestionError(f"{text!r} is no source; write guest, host, or an IPv4 address{near}")
    if asked.kind != "guest":
        raise QuestionError(
            f"from {text} only the way to the guest is guarded here; ask for guest:22/tcp, "
            "or ask from the guest"
        )
    return text


def _known_protocol(destination: str, protocol: str | None) -> None:
    if protocol is not None and protocol not in PROTOCOLS:
        raise QuestionError(
            f"{destination!r}: unknown protocol {protocol!r}; expected {', '.join(PROTOCOLS)}"
            f"{_near(protocol, PROTOCOLS)}"
        )


def _split(destination: str, place: str) -> tuple[str, int | None]:
    """Split host and port; an IPv6 address with a port stands in brackets."""
    if bracketed := re.fullmatch(r"\[([^\]]*)\](?::(.*))?", place):
        host, port = bracketed[1], bracketed[2]
    elif place.count(":") > 1:
        host, port = place, None
    else:
        host, colon, text = place.partition(":")
        port = text if colon else None
    if not host:
        raise QuestionError(f"{destination!r} names no destination; {FORM}")
    if port is None:
        return host, None
    if not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535:
        raise QuestionError(f"{destination!r}: {port!r} is no port from 1 to 65535; {FORM}")
    return host, int(port)


def _kind(host: str, known: Iterable[str]) -> Kind:
    for place in PLACES:
        if host == place:
            return place
    if host in known:
        return "door"
    if as_ipv4(host) is not None or ":" in host:
        return "address"
    if "." in host:
        return "name"
    near = _near(host, (*PLACES, *known))
    raise QuestionError(f"{host!r} is no service, grant or place of this keep{near}; {FORM}")


def _plain(kind: Kind, host: str) -> str:
    try:
        if kind == "address" and ":" in host:
            return str(IPv6Address(host))
        return host_name(host) if kind == "name" else host
    except (AddressValueError, ValueError) as error:
        raise QuestionError(f"{error}; {FORM}") from error


def _door(door: Door, destination: str, port: int | None, protocol: str) -> Question:
    if port not in {None, door.port} or protocol not in {"", "tcp"}:
        raise QuestionError(
            f"{destination!r}: the door {door.name} is gateway:{door.port}/tcp; write "
            f"{door.name} alone, or gateway:PORT/PROTOCOL for another port"
        )
    return Question("", "door", door.name, "tcp", door.port)


def _carried(destination: str, port: int | None, protocol: str) -> tuple[str, int | None]:
    if protocol.startswith("icmp"):
        if port is not None:
            raise QuestionError(f"{destination!r}: {protocol} has no ports; leave :{port} out")
        return protocol, None
    if port is None:
        raise QuestionError(f"{destination!r} has no port; {FORM}")
    return protocol or "tcp", port


def _families(asked: Question) -> None:
    v6 = asked.kind == "address" and ":" in asked.value
    if asked.protocol == ("icmp" if v6 else "icmp6"):
        right = "icmp6" if v6 else "icmp"
        raise QuestionError(f"{asked.value} is no destination of {asked.protocol}; write /{right}")


def _near(text: str, known: Iterable[str]) -> str:
    near = get_close_matches(text, list(known), 3, 0.6)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def address_of(text: str) -> IPv4Address | IPv6Address:
    """Return the address that a question of kind `address` asks for."""
    return IPv6Address(text) if ":" in text else IPv4Address(text)
