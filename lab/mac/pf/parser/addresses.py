"""Addresses: hosts, networks, ranges, tables, interfaces, `any`; and `from … to …`.

Source: reference/pf-grammar.md; reference/macos.md §1.1 (names resolve at load, `(if)` does not).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace

from ..environment import InterfaceAddress, network_of
from ..rules import Address, Port
from .context import Context
from .lists import list_until, number, one_or_list, text
from .ports import port_item

MODIFIERS = ("network", "broadcast", "peer", "0")
MAX_TABLE_NAME = 31
MAX_INTERFACE_NAME = 15


@dataclass
class Peers:
    """Both sides of a rule, lists not yet expanded; an empty list means `any`."""

    sources: list[Address] = field(default_factory=list)
    source_ports: list[Port] = field(default_factory=list)
    systems: list[str] = field(default_factory=list)
    destinations: list[Address] = field(default_factory=list)
    destination_ports: list[Port] = field(default_factory=list)


def peers(context: Context) -> Peers:
    """Read `all` or `[from …] [os …] [to …]`."""
    if context.accept("all"):
        return Peers()
    found = Peers()
    if context.accept("from"):
        found.sources, found.source_ports = _side(context)
    if context.accept("os"):
        found.systems = one_or_list(context, lambda c: c.expect("STRING").text)
    if context.accept("to"):
        found.destinations, found.destination_ports = _side(context)
    return found


def _side(context: Context) -> tuple[list[Address], list[Port]]:
    hosts: list[Address] = []
    if context.peek().kind != "port":
        hosts = address_list(context)
    ports = one_or_list(context, port_item) if context.accept("port") else []
    return hosts, ports


def address_list(context: Context) -> list[Address]:
    """Read `any`, one address or a list; `any` (also within a list) adds nothing."""
    if context.accept("any"):
        return []
    if context.accept("{"):
        context.newlines()
        return [one for found in list_until(context, _any_or_address, "}") for one in found]
    return _address(context)


def _any_or_address(context: Context) -> list[Address]:
    return [] if context.accept("any") else _address(context)


def _address(context: Context) -> list[Address]:
    for word in ("no-route", "urpf-failed"):
        if context.accept(word):
            return [Address(word)]
    negated = context.accept("!") is not None
    return [replace(one, negated=negated) for one in host(context)]


def host(context: Context) -> list[Address]:
    """Read one host: a name, address, network, range, `(if)`, `<table>` or route label."""
    token = context.expect("STRING", "NUMBER", "(", "<", "route")
    if token.kind == "(":
        return [_dynamic(context)]
    if token.kind == "<":
        name = context.expect("STRING").text
        context.expect(">")
        if len(name) > MAX_TABLE_NAME:
            context.fail(f"table name '{name}' too long")
        return [Address("table", first=name)]
    if token.kind == "route":
        return [Address("route", first=context.expect("STRING", "NUMBER").text)]
    if context.accept("/"):
        return _found(context, f"{token.text}/{number(context)}")
    if token.kind == "NUMBER":
        context.syntax_error()
    if context.accept("-"):
        return [_range(context, token.text, context.expect("STRING").text)]
    return _found(context, token.text)


def _found(context: Context, name: str) -> list[Address]:
    found = lookup(context, name)
    if not found:
        context.fail("could not parse host specification")
    return found


def _range(context: Context, first: str, last: str) -> Address:
    ends = [_found(context, first), _found(context, last)]
    low, high = ends[0][0], ends[1][0]
    if len(ends[0]) != 1 or len(ends[1]) != 1 or low.af != high.af:
        context.fail("address family mismatch")
    if {low.kind, high.kind} != {"mask"} or low.bits != high.bits or low.bits not in {32, 128}:
        context.fail("invalid address range")
    return Address("range", low.af, low.first, high.first, low.bits)


def _dynamic(context: Context) -> Address:
    name = context.expect("STRING").text
    context.expect(")")
    if not name[:1].isalpha():
        context.fail(f"invalid interface name '{name}'")
    name, modifiers = _modifiers(context, name)
    if len(name) > MAX_INTERFACE_NAME:
        context.fail("interface name too long")
    bits = 128
    if context.accept("/"):
        bits = number(context)
    return Address("dynif", first=name, bits=bits, modifiers=modifiers)


def _modifiers(context: Context, name: str) -> tuple[str, list[str]]:
    modifiers: list[str] = []
    while ":" in name:
        stem, _, modifier = name.rpartition(":")
        if modifier not in MODIFIERS:
            context.fail(f"interface {name} has bad modifier")
        modifiers.append(modifier)
        name = stem
    if len({one for one in modifiers if one != "0"}) > 1:
        context.fail("illegal combination of interface modifiers")
    return name, [one for one in MODIFIERS if one in modifiers]


def lookup(context: Context, name: str) -> list[Address]:
    """Addresses that `name` (possibly with /bits) stands for; empty, and said so, when none."""
    stem, slash, mask = name.rpartition("/") if "/" in name else (name, "", "")
    if slash and (not mask.isdigit() or int(mask) > 128):
        context.parsed.errors.append(f"invalid netmask '/{mask}'")
        return []
    bits = int(mask) if slash else None
    for found in (_of_interface(context, stem, bits), literal(stem, bits), _by_name(context, stem)):
        if found:
            return found
    context.parsed.errors.append(f"no IP address found for {name}")
    return []


def literal(stem: str, bits: int | None) -> list[Address]:
    """Read an IPv4 or IPv6 literal; with a prefix, trailing zero octets may be left out."""
    scope = ""
    if bits is not None and stem.count(".") < 3 and all(p.isdigit() for p in stem.split(".")):
        stem = ".".join([*stem.split("."), "0", "0", "0"][:4])
    if "%" in stem:
        stem, _, scope = stem.partition("%")
    try:
        address = ipaddress.ip_address(stem)
    except ValueError:
        return []
    af, full = ("inet", 32) if address.version == 4 else ("inet6", 128)
    bits = full if bits is None else bits
    if bits > full:
        return [Address("mask", af, str(address), bits=bits)]
    return [Address("mask", af, network_of(str(address), bits), bits=bits, scope=scope)]


def _of_interface(context: Context, stem: str, bits: int | None) -> list[Address]:
    name, *modifiers = stem.split(":")
    if not name or not name[0].isalpha() or any(one not in MODIFIERS for one in modifiers):
        return []
    known = context.environment.interface(name)
    if known is None:
        return []
    found: list[Address] = []
    for one in known:
        if "0" in modifiers and any(one.af == earlier.af for earlier in found):
            continue
        address = _of_one(one, modifiers, bits)
        if address is not None:
            found.append(address)
    return found


def _of_one(one: InterfaceAddress, modifiers: list[str], bits: int | None) -> Address | None:
    full = 32 if one.af == "inet" else 128
    if "network" in modifiers:
        return Address("mask", one.af, network_of(one.address, one.bits), bits=one.bits)
    if "broadcast" in modifiers:
        return Address("mask", one.af, one.broadcast, bits=full) if one.broadcast else None
    if "peer" in modifiers:
        return Address("mask", one.af, one.peer, bits=full) if one.peer else None
    size = full if bits is None else min(bits, full)
    return Address("mask", one.af, network_of(one.address, size), bits=size)


def _by_name(context: Context, stem: str) -> list[Address]:
    if ":" in stem or stem.replace(".", "").isdigit():
        return []
    return [
        Address("mask", af, address, bits=32 if af == "inet" else 128)
        for af, address in context.environment.resolve(stem)
    ]


def interface_item(context: Context) -> tuple[str, bool]:
    """Read `[!] name`; the name may be of an interface that does not exist yet."""
    negated = context.accept("!") is not None
    name = context.expect("STRING").text
    if len(name) > MAX_INTERFACE_NAME:
        context.fail("interface name too long")
    return name, negated


def interfaces(context: Context) -> list[tuple[str, bool]]:
    """Read `on …`, if it is there."""
    return one_or_list(context, interface_item) if context.accept("on") else []


def family(context: Context) -> str:
    """Read `inet` or `inet6`, if it is there."""
    for af in ("inet", "inet6"):
        if context.accept(af):
            return af
    return ""


def anchor_name(context: Context) -> str:
    """Read the name of an anchor in a rule."""
    return text(context)
