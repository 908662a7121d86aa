"""Filter rules as chains: the last match wins, `quick` ends it, anchors are walked in order.

Each rule that can decide has a number; matching sets the packet's mark to it (so the last one
stays) and `quick` goes straight to the verdict, which is looked up by the mark.
Source: reference/macos.md §1.1, §1.3; reference/pf-grammar.md (wildcards walk children by name).
"""

from __future__ import annotations

from ..environment import Environment
from ..kernel import Kernel
from ..rules import Rule
from . import states
from .match import Tables, alternatives

MARK = 0x50460000
GENERATED = 0x5046FFFF
MAX_DEPTH = 32


class FilterChains:
    """The chains of one direction. `lines` is their text once `build` ran."""

    def __init__(self, kernel: Kernel, out: bool, tables: Tables, environment: Environment) -> None:
        self._kernel = kernel
        self._out = out
        self._tables = tables
        self._environment = environment
        self._side = "out" if out else "in"
        self._number = 0
        self._chains = 0
        self._verdicts: dict[int, str] = {}
        self.lines: list[str] = []
        self.serials: set[int] = set()

    def build(self) -> None:
        """Compile the main ruleset and everything it refers to."""
        top = self._ruleset("", 0, None)
        side, final = self._side, f"final_{self._side}"
        hook = "postrouting priority 110" if self._out else "prerouting priority -95"
        self._chain(final, self._final())
        checks = [
            f"ct direction {direction} ct mark & {bit:#x} == {bit:#x} goto state_{bit}"
            for direction in ("original", "reply")
            for bit in [states.bit_for(self._out, direction)]
        ]
        body = [f"type filter hook {hook}; policy accept;", *self._skips()]
        body += [f"meta mark {GENERATED:#x} accept", "meta mark set 0", *checks]
        self._chain(f"pf_{side}", [*body, f"jump {top}", f"goto {final}"])

    def _skips(self) -> list[str]:
        names = ", ".join(f'"{"lo" if n == "lo0" else n}"' for n in self._kernel.data["skip"])
        return [f"{'o' if self._out else 'i'}ifname {{ {names} }} accept"] if names else []

    def _chain(self, name: str, body: list[str]) -> None:
        self.lines += [f"chain {name} {{", *body, "}"]

    def _ruleset(self, path: str, depth: int, outermost: Rule | None) -> str:
        self._chains += 1
        name = f"{self._side}_{self._chains}"
        body: list[str] = []
        for rule in self._kernel.rules(path, "filter"):
            if rule.direction and rule.direction != self._side:
                continue
            self.serials.add(rule.serial)
            body.append(f"counter name e{rule.serial}")
            matches = alternatives(rule, path, self._out, self._tables, self._environment)
            if rule.anchor is None:
                body += self._decide(rule, matches, outermost)
            else:
                body += self._enter(rule, matches, path, depth, outermost)
        self._chain(name, body)
        return name

    def _decide(self, rule: Rule, matches: list[str], outermost: Rule | None) -> list[str]:
        self._number += 1
        verdict = f"verdict_{self._side}_{self._number}"
        self._verdicts[self._number] = verdict
        self._chain(verdict, self._verdict(rule, outermost))
        after = f" goto final_{self._side}" if rule.quick else ""
        mark = f"meta mark set {MARK + self._number:#x}{after}"
        return [f"{match} {mark}".strip() for match in matches]

    def _enter(
        self, rule: Rule, matches: list[str], path: str, depth: int, outermost: Rule | None
    ) -> list[str]:
        if depth >= MAX_DEPTH:
            return []
        first = self._number + 1
        inner = [
            self._ruleset(one, depth + 1, outermost or rule)
            for one in referenced(self._kernel, path, rule.anchor or "")
        ]
        body = [f"jump {chain}" for chain in inner]
        if rule.quick and self._number >= first:
            low, high = MARK + first, MARK + self._number
            body.append(f"meta mark {low:#x}-{high:#x} goto final_{self._side}")
        self._chains += 1
        name = f"{self._side}_{self._chains}"
        self._chain(name, body)
        return [f"{match} jump {name}".strip() for match in matches]

    def _verdict(self, rule: Rule, outermost: Rule | None) -> list[str]:
        lines = [f"counter name p{rule.serial}"]
        if outermost is not None:
            lines.append(f"counter name p{outermost.serial}")
        if rule.action == "block":
            return lines + self._block(rule)
        if rule.state != "no":
            lines += states.create(self._out, rule.serial)
        return [*lines, *states.translated(self._out), "meta mark set 0", "accept"]

    def _block(self, rule: Rule) -> list[str]:
        if not rule.returns:
            return ["drop"]
        if self._out:
            return [*_remember(rule), "drop"]
        return refusal(rule)

    def _final(self) -> list[str]:
        pairs = ", ".join(f"{MARK + n:#x} : goto {c}" for n, c in self._verdicts.items())
        lookup = [f"meta mark vmap {{ {pairs} }}"] if pairs else []
        return [*lookup, *states.translated(self._out), "accept"]


def state_chains(serials: set[int]) -> list[str]:
    """Chains for packets of a state: the rule that made it goes on counting them."""
    lines: list[str] = []
    for bit in (states.IN_ORIGINAL, states.OUT_ORIGINAL):
        pairs = ", ".join(
            f'{states.serial_value(bit, one):#x} : "p{one}"' for one in sorted(serials)
        )
        count = f"counter name ct mark & {states.serial_mask(bit):#010x} map {{ {pairs} }}"
        lines += [f"chain state_{bit} {{", *([count] if pairs else []), "accept", "}"]
    return lines


def referenced(kernel: Kernel, path: str, name: str) -> list[str]:
    """Paths of the anchors that a rule in `path` naming `name` evaluates, in order."""
    full = name[1:] if name.startswith("/") else f"{path}/{name}" if path else name
    if full == "*" or full.endswith("/*"):
        parent = full[:-1].rstrip("/")
        return [f"{parent}/{one}" if parent else one for one in kernel.children(parent)]
    return [full]


def refusal(rule: Rule) -> list[str]:
    """Statements that drop a packet and tell its sender."""
    lines = [f"meta mark set {GENERATED:#x}"]
    if rule.returns in {"return", "return-rst"}:
        lines.append("meta l4proto tcp reject with tcp reset")
    if rule.returns == "return-rst":
        return [*lines, "drop"]
    lines.append("meta l4proto { icmp, ipv6-icmp } drop")
    code = {0: "net-unreachable", 1: "host-unreachable", 2: "prot-unreachable", 9: "net-prohibited"}
    code |= {10: "host-prohibited", 13: "admin-prohibited"}
    code6 = {0: "no-route", 1: "admin-prohibited", 3: "addr-unreachable"}
    four = code.get(rule.return_icmp, "port-unreachable")
    six = code6.get(rule.return_icmp6, "port-unreachable")
    lines.append(f"meta nfproto ipv4 reject with icmp type {four}")
    return [*lines, f"meta nfproto ipv6 reject with icmpv6 type {six}", "drop"]


def _remember(rule: Rule) -> list[str]:
    # A packet cannot be refused after translation, so its successor is, before it.
    four, six = (f". {one} daddr . meta l4proto . th dport" for one in ("ip", "ip6"))
    what = "{ tcp }" if rule.returns == "return-rst" else "{ tcp, udp }"
    return [
        f"meta l4proto {what} meta nfproto ipv4 add @refused4 {{ ct original ip saddr {four} }}",
        f"meta l4proto {what} meta nfproto ipv6 add @refused6 {{ ct original ip6 saddr {six} }}",
    ]
