"""What pf does with one packet, rule by rule, as pf goes about it.

Source: reference/macos.md §1.1 (last match, quick, anchors, the default rule), reference/
pf-grammar.md (wildcards).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from . import names
from .interfaces import skipped
from .packet import Packet, has_icmp_type
from .printer import rule_text
from .rule import Address, Rule, Rules
from .ruleset import AnchorLoopError, Ruleset, Tables
from .spans import holds


@dataclass(frozen=True)
class Match:
    """A rule that matched, and the anchor it is in ("" is the main ruleset)."""

    rule: Rule
    anchor: str

    @property
    def line(self) -> int:
        """Line of the text that the rule was read from."""
        return self.rule.line

    @property
    def text(self) -> str:
        """The rule as pfctl prints it."""
        return rule_text(self.rule)

    def __str__(self) -> str:
        return f"{self.anchor or 'main'}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Verdict:
    """What happens to a packet.

    `returns` is how a block answers: "" drops silently, else `return`, `return-rst`, ….
    `decided` is the rule that decided, None for pf's default, which passes and makes no state.
    `trail` has every rule that matched, in order. `certain` is false when a rule with a condition
    that cannot be judged could change the action: such a pass counts as matching, such a block
    as not matching.
    """

    action: str
    returns: str
    decided: Match | None
    keeps_state: bool
    trail: tuple[Match, ...]
    certain: bool = True

    @property
    def passes(self) -> bool:
        """Whether the packet passes."""
        return self.action == "pass"


def evaluate(ruleset: Ruleset, packet: Packet, tables: Tables | None = None) -> Verdict:
    """Return what pf does with `packet` when no state answers for it.

    `tables` replaces those of the ruleset. Raises AnchorLoopError, and ValueError for an entry of
    a table that is no network.
    """
    if tables is not None:
        ruleset = replace(ruleset, tables=tables)
    if any(skipped(name, packet.interface) for name in ruleset.main.skip):
        return Verdict("pass", "", None, False, ())
    hopeful, doubtful = (_Walk(ruleset, packet, action) for action in ("pass", "block"))
    for walk in (hopeful, doubtful):
        walk.rules("", ruleset.main, certain=True, inside=())
    found = hopeful.verdict()
    return replace(found, certain=found.action == doubtful.verdict().action)


@dataclass
class _Walk:
    """One way through the rules. Of those that cannot be judged, the `doubt`ed action matches."""

    ruleset: Ruleset
    packet: Packet
    doubt: str
    last: Match | None = None
    trail: list[Match] = field(default_factory=list)

    def verdict(self) -> Verdict:
        trail = tuple(self.trail)
        if self.last is None:
            return Verdict("pass", "", None, False, trail)
        rule = self.last.rule
        return Verdict(rule.action, rule.returns, self.last, rule.keeps_state, trail)

    def rules(self, path: str, rules: Rules, *, certain: bool, inside: tuple[str, ...]) -> bool:
        """Evaluate the rules of one anchor; return whether that ends the evaluation."""
        if path and path in inside:
            raise AnchorLoopError(f"anchor {path} refers to itself")
        for rule in rules:
            answer = self._matches(path, rule)
            if answer is False:
                continue
            sure = certain and answer is True
            if rule.action == "anchor":
                if self._anchor(path, rule, certain=sure, inside=(*inside, path)):
                    return True
            elif sure or rule.action == self.doubt:
                self.last = Match(rule, path)
                self.trail.append(self.last)
                if rule.quick:
                    return True
        return False

    def _anchor(self, path: str, rule: Rule, *, certain: bool, inside: tuple[str, ...]) -> bool:
        before = len(self.trail)
        for child, rules in self.ruleset.referenced(path, rule):
            if self.rules(child, rules, certain=certain, inside=inside):
                return True
        # A quick anchor is final once any rule in it has matched.
        return rule.quick and len(self.trail) > before

    def _matches(self, path: str, rule: Rule) -> bool | None:
        """Tell whether the rule matches; None when that cannot be known."""
        packet = self.packet
        on = rule.on(packet.interface)
        if on is False or rule.direction not in {"", packet.direction}:
            return False
        if rule.family not in {"", packet.family} or rule.protocol not in {0, packet.protocol}:
            return False
        if not (_ports(rule, packet) and _icmp(rule, packet) and _flags(rule, packet)):
            return False
        sides = (
            self._side(path, rule.source, packet.source),
            self._side(path, rule.destination, packet.destination),
        )
        if False in sides:
            return False
        return None if None in (on, *sides) or rule.opaque() else True

    def _side(self, path: str, address: Address, value: int) -> bool | None:
        if address.kind == "any":
            return True
        spans = self.ruleset.spans(path, address, self.packet.family)
        return None if spans is None else holds(spans, value)


def _ports(rule: Rule, packet: Packet) -> bool:
    return all(
        not condition.op or holds(condition.spans(), port)
        for condition, port in (
            (rule.source_port, packet.source_port),
            (rule.destination_port, packet.destination_port),
        )
    )


def _icmp(rule: Rule, packet: Packet) -> bool:
    if rule.icmp_type < 0:
        return True
    if not has_icmp_type(packet.family, packet.protocol) or rule.icmp_type != packet.icmp_type:
        return False
    return rule.icmp_code in {-1, packet.icmp_code}


def _flags(rule: Rule, packet: Packet) -> bool:
    if not rule.flag_mask or packet.protocol != names.TCP:
        return True
    return {flag for flag in packet.flags if flag in rule.flag_mask} == set(rule.flags)
