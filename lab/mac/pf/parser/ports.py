"""Ports, users, groups, protocols, ICMP types: the small lists of a rule.

Source: reference/pf-grammar.md (port operators, semantic errors).
"""

from __future__ import annotations

from .. import names
from ..rules import Identity, Port
from .context import Context
from .lists import one_or_list

UNKNOWN = -1


def operator(context: Context) -> str:
    """Read `=`, `!=`, `<`, `<=`, `>` or `>=`, if one is there."""
    kind = context.peek().kind
    if kind == "=":
        return context.next().kind
    if kind == "!":
        context.next()
        context.expect("=")
        return "!="
    if kind in {"<", ">"}:
        context.next()
        return kind + ("=" if context.accept("=") else "")
    return ""


def port_number(context: Context, name: str) -> int:
    """Port of a number or a service name."""
    if name.isdigit():
        if int(name) > 65535:
            context.fail(f"illegal port value {int(name)}")
        return int(name)
    port = names.service_port(name)
    if port is None:
        context.fail(f"unknown port {name}")
    return port


def _port(context: Context) -> tuple[int, int | None]:
    word = context.expect("STRING", "NUMBER").text
    first, colon, last = word.partition(":")
    if not colon:
        return port_number(context, word), None
    return port_number(context, first), port_number(context, last)


def port_item(context: Context) -> Port:
    """Read `80`, `80:90`, `>= 1024`, `1 >< 5`, `1 <> 5`."""
    unary = operator(context)
    first, last = _port(context)
    if unary:
        if last is not None:
            context.fail("':' cannot be used with an other port operator")
        return Port(unary, first)
    if (binary := context.accept("PORTBINARY")) is not None:
        end, extra = _port(context)
        if last is not None or extra is not None:
            context.fail("':' cannot be used with an other port operator")
        return Port(binary.text, first, end)
    return Port("=", first) if last is None else Port(":", first, last)


def identities(context: Context, what: str) -> list[Identity]:
    """Read the operand of `user` or `group` (`what` says which)."""
    return one_or_list(context, lambda c: _identity(c, what))


def _identity(context: Context, what: str) -> Identity:
    unary = operator(context)
    first = _id(context, what)
    if unary:
        if first == UNKNOWN and unary not in {"=", "!="}:
            context.fail(f"{what} unknown requires operator = or !=")
        return Identity(unary, first)
    if (binary := context.accept("PORTBINARY")) is not None:
        last = _id(context, what)
        if UNKNOWN in {first, last}:
            context.fail(f"{what} unknown requires operator = or !=")
        return Identity(binary.text, first, last)
    return Identity("=", first)


def _id(context: Context, what: str) -> int:
    token = context.expect("STRING", "NUMBER")
    short = "uid" if what == "user" else "gid"
    if token.kind == "NUMBER":
        if not 0 <= int(token.text) < 0xFFFFFFFF:
            context.fail(f"illegal {short} value {token.text}")
        return int(token.text)
    if token.text == "unknown":
        return UNKNOWN
    env = context.environment
    found = env.user(token.text) if what == "user" else env.group(token.text)
    if found is None:
        context.fail(f"unknown {what} {token.text}")
    return found


def protocols(context: Context) -> list[int]:
    """Read `proto …`, if it is there."""
    return one_or_list(context, _protocol) if context.accept("proto") else []


def _protocol(context: Context) -> int:
    token = context.expect("STRING", "NUMBER")
    if token.kind == "NUMBER":
        if not 0 <= int(token.text) <= 255:
            context.fail("protocol outside range")
        number: int | None = int(token.text)
    else:
        number = names.protocol_number(token.text)
    if number is None:
        context.fail(f"unknown protocol {token.text}")
    if number == 0:
        context.fail("proto 0 cannot be used")
    return number


def icmp_items(context: Context, proto: int) -> list[tuple[int, int, int]]:
    """Read the operand of `icmp-type` or `icmp6-type`: (protocol, type, code or -1)."""
    return one_or_list(context, lambda c: _icmp(c, proto))


def _icmp(context: Context, proto: int) -> tuple[int, int, int]:
    word = "icmp" if proto == names.ICMP else "icmp6"
    types = names.ICMP_TYPES if proto == names.ICMP else names.ICMP6_TYPES
    codes = names.ICMP_CODES if proto == names.ICMP else names.ICMP6_CODES
    token = context.expect("STRING", "NUMBER")
    kind = int(token.text) if token.kind == "NUMBER" else types.get(token.text, -1)
    if kind > 255 or (token.kind == "NUMBER" and kind < 0):
        context.fail(f"illegal {word}-type {token.text}")
    if kind < 0:
        context.fail(f"unknown {word}-type {token.text}")
    if not context.accept("code"):
        return proto, kind, -1
    token = context.expect("STRING", "NUMBER")
    code = int(token.text) if token.kind == "NUMBER" else codes.get((kind, token.text), -1)
    if code > 255 or (token.kind == "NUMBER" and code < 0):
        context.fail(f"illegal {word}-code {token.text}")
    if code < 0:
        context.fail(f"unknown {word}-code {token.text}")
    return proto, kind, code
