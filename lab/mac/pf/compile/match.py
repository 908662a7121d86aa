"""The conditions of one rule as nftables matches.

A rule becomes one or more alternatives (a family, and "not TCP" or "these flags"); a packet matches
the rule when it matches one of them. Source: pf.conf(5); reference/macos.md §1.1.
"""

from __future__ import annotations

from itertools import product
from typing import Protocol

from .. import names
from ..environment import Environment, linux_interface, network_of
from ..rules import Address, Port, Rule

_FLAGS = {
    "F": "fin", "S": "syn", "R": "rst", "P": "psh", "A": "ack", "U": "urg", "E": "ecn", "W": "cwr",
}  # fmt: skip
_PREFIX = {"inet": "ip", "inet6": "ip6"}
_FAMILY = {"inet": "ipv4", "inet6": "ipv6"}
NEVER = "meta length 0"


class Tables(Protocol):
    """Where a rule's tables are found."""

    def set_name(self, path: str, table: str, af: str) -> str:
        """Name of the nftables set of a table seen from the anchor `path`."""


def alternatives(
    rule: Rule, path: str, out: bool, tables: Tables, environment: Environment
) -> list[str]:
    """Return the matches of `rule`, in the anchor `path`, for packets going in or `out`."""
    common = _interface(rule, out)
    sides = (("saddr", rule.source), ("daddr", rule.destination))
    families = [rule.af] if rule.af else _families(rule)
    lines: list[str] = []
    for af, flags in product(families, _flags(rule)):
        words = list(common)
        if af:
            words.append(f"meta nfproto {_FAMILY[af]}")
        if rule.proto:
            words.append(f"meta l4proto {rule.proto}")
        for field, address in sides:
            words += _address(field, address, af, path, tables, environment)
        words += _port("sport", rule.source_port) + _port("dport", rule.destination_port)
        words += _icmp(rule)
        if rule.probability:
            words.append(f"numgen random mod 10000 < {max(1, round(rule.probability * 10000))}")
        words += flags
        if NEVER not in words:
            lines.append(" ".join(words))
    return lines


def _families(rule: Rule) -> list[str]:
    kinds = {rule.source.kind, rule.destination.kind}
    return ["inet", "inet6"] if kinds & {"table", "dynif"} else [""]


def _interface(rule: Rule, out: bool) -> list[str]:
    if not rule.interface:
        return []
    negation = "!= " if rule.interface_negated else ""
    word = "oifname" if out else "iifname"
    return [f'{word} {negation}"{linux_interface(rule.interface)}"']


def _flags(rule: Rule) -> list[list[str]]:
    if not rule.flag_set:
        return [[]]
    mask = "|".join(_FLAGS[letter] for letter in rule.flag_set)
    wanted = "|".join(_FLAGS[letter] for letter in rule.flags) or "0x0"
    tcp = [f"tcp flags & ({mask}) == {wanted}"]
    if rule.proto == names.TCP:
        return [tcp]
    return [["meta l4proto != tcp"], ["meta l4proto tcp", *tcp]]


def _port(field: str, port: Port) -> list[str]:
    if not port.op:
        return []
    low, high = port.first, port.last
    if port.op == ":":
        low, high = min(low, high), max(low, high)
        return [f"th {field} {low}-{high}" if low != high else f"th {field} {low}"]
    if port.op == "><":
        return [f"th {field} {low + 1}-{high - 1}"] if low + 1 <= high - 1 else [NEVER]
    if port.op == "<>":
        return [f"th {field} != {low}-{high}"] if low < high else []
    edges = {("<", 0): NEVER, (">", 65535): NEVER, ("<=", 65535): "", (">=", 0): ""}
    if (port.op, low) in edges:
        return [word for word in [edges[port.op, low]] if word]
    return [f"th {field} {'' if port.op == '=' else port.op + ' '}{low}"]


def _icmp(rule: Rule) -> list[str]:
    if rule.icmp_type < 0:
        return []
    word = "icmp" if rule.proto == names.ICMP else "icmpv6"
    code = [f"{word} code {rule.icmp_code}"] if rule.icmp_code >= 0 else []
    return [f"{word} type {rule.icmp_type}", *code]


def _address(
    field: str, address: Address, af: str, path: str, tables: Tables, environment: Environment
) -> list[str]:
    if address.kind == "any":
        return []
    if address.kind in {"no-route", "urpf-failed"}:
        with_interface = " . iif" if address.kind == "urpf-failed" else ""
        return [f"fib {field}{with_interface} oif missing"]
    negation = "!= " if address.negated else ""
    operand = _operand(address, af, path, tables, environment)
    if operand is None:
        return [] if address.negated else [NEVER]
    return [f"{_PREFIX[af or address.af]} {field} {negation}{operand}"]


def _operand(
    address: Address, af: str, path: str, tables: Tables, environment: Environment
) -> str | None:
    if address.kind == "table":
        return f"@{tables.set_name(path, address.first, af)}"
    if address.kind == "range":
        return f"{address.first}-{address.last}"
    if address.kind == "mask":
        return f"{address.first}/{address.bits}"
    found = interface_networks(address, af, environment)
    return "{ " + ", ".join(found) + " }" if found else None


def interface_networks(address: Address, af: str, environment: Environment) -> list[str]:
    """List what `(if)` stands for now; empty when the interface is not there or has no address."""
    found: list[str] = []
    for one in environment.interface(address.first) or []:
        if one.af != af or ("0" in address.modifiers and found):
            continue
        full = 32 if af == "inet" else 128
        if "network" in address.modifiers:
            found.append(f"{network_of(one.address, one.bits)}/{one.bits}")
        elif "broadcast" in address.modifiers:
            found += [one.broadcast] if one.broadcast else []
        elif "peer" in address.modifiers:
            found += [one.peer] if one.peer else []
        elif address.bits < full:
            found.append(f"{network_of(one.address, address.bits)}/{address.bits}")
        else:
            found.append(one.address)
    return list(dict.fromkeys(found))
