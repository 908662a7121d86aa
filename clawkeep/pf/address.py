"""Addresses: from text to numbers and back, as rules, tables, packets and flows have them."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

Family = Literal["inet", "inet6"]
FAMILIES: tuple[Family, Family] = ("inet", "inet6")
BITS = {"inet": 32, "inet6": 128}
TOP = {"inet": 2**32 - 1, "inet6": 2**128 - 1}
"""The highest address of each family."""


@lru_cache(maxsize=4096)
def network(text: str) -> tuple[Family, int, int]:
    """Read an address or network: its family, first and last address.

    Host bits are masked; with a prefix, trailing zero octets may be left out (`10/8`).
    Raises ValueError, with a message for people.
    Source: reference/pf-grammar.md (host bits are masked).
    """
    stem, slash, size = text.partition("/")
    if slash and not (size.isascii() and size.isdigit()):
        raise ValueError(f"{size!r} is no prefix length")
    if slash and ":" not in stem and stem.count(".") < 3:
        stem = ".".join([*stem.split("."), "0", "0", "0"][:4])
    if "%" in stem:
        raise ValueError(f"{text!r} has a scope, which is not judged here")
    try:
        address = ip_address(stem)
    except ValueError:
        raise ValueError(f"expected an address, found {text!r}") from None
    family: Family = "inet" if address.version == 4 else "inet6"
    bits = int(size) if slash else BITS[family]
    if bits > BITS[family]:
        raise ValueError(f"/{bits} is longer than an address")
    span = TOP[family] >> bits
    first = int(address) & ~span
    return family, first, first | span


def address(text: str) -> tuple[Family, int]:
    """Read one address: its family and number. Raises ValueError."""
    family, first, last = network(text)
    if first != last:
        raise ValueError(f"{text!r} is a network, not an address")
    return family, first


def shown(family: str, number: int) -> str:
    """Return an address as pfctl prints it."""
    return str(IPv4Address(number) if family == "inet" else IPv6Address(number))


def shown_network(family: str, first: int, last: int) -> str:
    """Return a network as pfctl prints it, or `a - b` for a range that is none."""
    size = last - first + 1
    if size == 1:
        return shown(family, first)
    if size & (size - 1) or first & (size - 1):
        return f"{shown(family, first)} - {shown(family, last)}"
    return f"{shown(family, first)}/{BITS[family] - size.bit_length() + 1}"
