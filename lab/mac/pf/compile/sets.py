"""pf tables as nftables sets: the longest prefix decides, `!` entries are holes.

Source: pf.conf(5), tables; reference/pf-grammar.md (host bits are masked).
"""

from __future__ import annotations

import ipaddress

SPACE = {"inet": 1 << 32, "inet6": 1 << 128}
TYPES = {"inet": "ipv4_addr", "inet6": "ipv6_addr"}


def intervals(entries: list[str], af: str) -> list[tuple[int, int]]:
    """Addresses of family `af` that a table with these entries (`[!]addr[/bits]`) matches."""
    version = 4 if af == "inet" else 6
    prefixes = []
    for entry in entries:
        network = ipaddress.ip_network(entry.removeprefix("!"), strict=False)
        if network.version == version:
            prefixes.append((network, entry.startswith("!")))
    covered: list[tuple[int, int]] = []
    for network, negated in sorted(prefixes, key=lambda one: one[0].prefixlen):
        low, high = int(network.network_address), int(network.broadcast_address)
        covered = _without(covered, low, high)
        if not negated:
            covered.append((low, high))
    return sorted(covered)


def _without(covered: list[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    rest: list[tuple[int, int]] = []
    for first, last in covered:
        if last < low or first > high:
            rest.append((first, last))
            continue
        if first < low:
            rest.append((first, low - 1))
        if last > high:
            rest.append((high + 1, last))
    return rest


def set_text(name: str, entries: list[str], af: str) -> list[str]:
    """Lines that declare the set `name`."""
    make = ipaddress.IPv4Address if af == "inet" else ipaddress.IPv6Address
    shown = [f"{make(low)}-{make(high)}" for low, high in intervals(entries, af)]
    lines = [f"set {name} {{", f"type {TYPES[af]}", "flags interval", "auto-merge"]
    if shown:
        lines.append(f"elements = {{ {', '.join(shown)} }}")
    return [*lines, "}"]
