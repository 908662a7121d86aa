"""nat and rdr rules as nftables nat chains: the first match decides, as in pf.

Source: pf.conf(5) (translation precedes filtering); reference/macos.md §1.4;
reference/tart.md §3.2.
"""

from __future__ import annotations

from ..environment import Environment
from ..kernel import Kernel
from ..rules import NAT_PORT_HIGH, NAT_PORT_LOW, Address, Pool, Rule
from .filter import MAX_DEPTH, referenced
from .match import Tables, alternatives, interface_networks
from .states import IN_ORIGINAL, OUT_ORIGINAL


class TranslationChains:
    """The chains of `nat` (after routing) or `rdr` (before it)."""

    def __init__(self, kernel: Kernel, kind: str, tables: Tables, environment: Environment) -> None:
        self._kernel = kernel
        self._kind = kind
        self._out = kind == "nat"
        self._tables = tables
        self._environment = environment
        self._chains = 0
        self.lines: list[str] = []
        self.serials: set[int] = set()

    def build(self) -> None:
        """Compile the main ruleset and everything it refers to."""
        top = self._ruleset("", 0)
        hook = "postrouting priority 100" if self._out else "prerouting priority -100"
        names = ", ".join(f'"{"lo" if n == "lo0" else n}"' for n in self._kernel.data["skip"])
        skip = [f"{'o' if self._out else 'i'}ifname {{ {names} }} accept"] if names else []
        body = [f"type nat hook {hook}; policy accept;", *skip, f"jump {top}"]
        self.lines += [f"chain pf_{self._kind} {{", *body, "}"]

    def _ruleset(self, path: str, depth: int) -> str:
        self._chains += 1
        name = f"{self._kind}_{self._chains}"
        body: list[str] = []
        for rule in self._kernel.rules(path, self._kind):
            self.serials.add(rule.serial)
            body.append(f"counter name e{rule.serial}")
            matches = alternatives(rule, path, self._out, self._tables, self._environment)
            for match in matches:
                body += [f"{match} {end}".strip() for end in self._ends(rule, path, depth)]
        self.lines += [f"chain {name} {{", *body, "}"]
        return name

    def _ends(self, rule: Rule, path: str, depth: int) -> list[str]:
        if rule.anchor is not None:
            if depth >= MAX_DEPTH:
                return []
            paths = referenced(self._kernel, path, rule.anchor)
            return [f"jump {self._ruleset(one, depth + 1)}" for one in paths]
        count = f"counter name p{rule.serial}"
        if rule.negated:
            return [f"{count} accept"]
        target = self._target(rule)
        if target is None:
            return []
        bit = OUT_ORIGINAL if self._out else IN_ORIGINAL
        passes = f"ct mark set ct mark | {bit:#x} " if rule.nat_pass else ""
        ported = ":" in target and not rule.proto and self._out and target != "masquerade"
        if ported:
            return [f"meta l4proto {{ tcp, udp }} {count} {passes}{target}"]
        return [f"{count} {passes}{target}"]

    def _target(self, rule: Rule) -> str | None:
        pool = rule.pool or Pool()
        only = pool.addresses[0]
        family = {"inet": "ip", "inet6": "ip6"}[rule.af or only.af or "inet"]
        if self._out and only.kind == "dynif" and only.first == rule.interface:
            return "masquerade"
        address = self._address(only, rule.af or "inet")
        if address is None:
            return None
        if family == "ip6":
            address = f"[{address}]" if _ports(pool, self._out) else address
        word = "snat" if self._out else "dnat"
        return f"{word} {family} to {address}{_ports(pool, self._out)}"

    def _address(self, address: Address, af: str) -> str | None:
        if address.kind == "mask":
            return address.first
        found = interface_networks(address, af, self._environment)
        return found[0] if found else None


def _ports(pool: Pool, out: bool) -> str:
    low, high = pool.ports
    if out:
        usual = {(NAT_PORT_LOW, NAT_PORT_HIGH), (0, 0)}
        return "" if pool.ports in usual else f":{low}-{high}" if low != high else f":{low}"
    if not low:
        return ""
    return f":{low}-{high}" if high > low else f":{low}"
