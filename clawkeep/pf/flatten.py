"""All rules that concern an interface, as one list in which the first match decides.

`quick` rules win over all others, the earlier over the later; of the rest the last one wins. So the
list has the quick rules in their order, then the others backwards. A quick anchor is final once
anything in it has matched: its own list stands where it stands. Source: reference/macos.md §1.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from .address import FAMILIES
from .evaluation import Match
from .interfaces import skipped
from .packet import DIRECTIONS
from .rule import Address, Rule, Rules
from .ruleset import AnchorLoopError, Ruleset
from .spans import Spans, both

Flags = tuple[tuple[str, str], ...]
Side = tuple[Spans | None, Spans | None]
_ONE: dict[str, tuple[str]] = {word: (word,) for word in (*DIRECTIONS, *FAMILIES)}


class Box(NamedTuple):
    """The packets that meet a rule's conditions; None stands for no condition.

    `first` and `second` are source and destination port, or ICMP type and code. Addresses are by
    family. `flags` are pairs of letters (set, of which) that TCP packets must all meet.
    """

    directions: tuple[str, ...] = DIRECTIONS
    families: tuple[str, ...] = FAMILIES
    protocols: Spans | None = None
    sources: Side = (None, None)
    destinations: Side = (None, None)
    first: Spans | None = None
    second: Spans | None = None
    flags: Flags = ()


EVERYTHING = Box()


class Step(NamedTuple):
    """One rule of the list. `doubtful` if it has a condition that cannot be judged."""

    box: Box
    match: Match
    doubtful: bool

    @property
    def passes(self) -> bool:
        """Whether the rule lets packets pass."""
        return self.match.rule.action == "pass"


@dataclass
class _Lists:
    """What is final, and what is not, in the order of evaluation."""

    final: list[Step] = field(default_factory=list)
    others: list[Step] = field(default_factory=list)

    def in_order(self) -> list[Step]:
        return [*self.final, *reversed(self.others)]


@dataclass(frozen=True)
class _Place:
    """Where rules are evaluated from: their anchor, and what had to be met to get there."""

    path: str
    box: Box
    doubtful: bool
    inside: tuple[str, ...]


def flatten(ruleset: Ruleset, interface: str) -> list[Step]:
    """Return the list for packets on `interface`. Raises as `evaluate` does."""
    lists = _Lists()
    if not any(skipped(name, interface) for name in ruleset.main.skip):
        _Flattening(ruleset, interface).rules(
            ruleset.main, _Place("", EVERYTHING, False, ()), lists
        )
    return lists.in_order()


class _Flattening:
    """One walk through all rules."""

    def __init__(self, ruleset: Ruleset, interface: str) -> None:
        self._ruleset = ruleset
        self._interface = interface
        self._sides: dict[tuple[str, Address], tuple[Side, bool]] = {}

    def rules(self, rules: Rules, place: _Place, lists: _Lists) -> None:
        """Add the rules of one anchor."""
        if place.path and place.path in place.inside:
            raise AnchorLoopError(f"anchor {place.path} refers to itself")
        for rule in rules:
            on = rule.on(self._interface)
            if on is False:
                continue
            box, unknown = self._box(rule, place.path)
            met = box if place.box == EVERYTHING else _meet(place.box, box)
            if met is None:
                continue
            doubtful = place.doubtful or unknown or on is None
            if rule.action == "anchor":
                inside = (*place.inside, place.path)
                self._anchor(rule, _Place(place.path, met, doubtful, inside), lists)
            else:
                target = lists.final if rule.quick else lists.others
                target.append(Step(met, Match(rule, place.path), doubtful))

    def _anchor(self, rule: Rule, place: _Place, lists: _Lists) -> None:
        inner = _Lists() if rule.quick else lists
        for path, rules in self._ruleset.referenced(place.path, rule):
            self.rules(rules, replace(place, path=path), inner)
        if rule.quick:
            lists.final += inner.in_order()

    def _box(self, rule: Rule, path: str) -> tuple[Box, bool]:
        """Return the rule's conditions, and whether it has one that cannot be judged."""
        sources, unknown = self._side(path, rule.source)
        destinations, unknown_too = self._side(path, rule.destination)
        first = rule.source_port.spans() if rule.source_port.op else None
        second = rule.destination_port.spans() if rule.destination_port.op else None
        if rule.icmp_type >= 0:
            first = ((rule.icmp_type, rule.icmp_type),)
            second = ((rule.icmp_code, rule.icmp_code),) if rule.icmp_code >= 0 else None
        box = Box(
            _ONE[rule.direction] if rule.direction else DIRECTIONS,
            _ONE[rule.family] if rule.family else FAMILIES,
            ((rule.protocol, rule.protocol),) if rule.protocol else None,
            sources,
            destinations,
            first,
            second,
            ((rule.flags, rule.flag_mask),) if rule.flag_mask else (),
        )
        return box, unknown or unknown_too or bool(rule.opaque())

    def _side(self, path: str, address: Address) -> tuple[Side, bool]:
        """Return the spans of an address in each family, and whether they are unknown."""
        if address.kind == "any":
            return (None, None), False
        found = self._sides.get((path, address))
        if found is None:
            four, six = (self._ruleset.spans(path, address, family) for family in FAMILIES)
            found = ((four, six), four is None)
            self._sides[path, address] = found
        return found


def _meet(one: Box, other: Box) -> Box | None:
    """Return the packets that meet both; None when there are none for sure."""
    directions = tuple(word for word in one.directions if word in other.directions)
    families = tuple(word for word in one.families if word in other.families)
    protocols = both(one.protocols, other.protocols)
    if not directions or not families or protocols == ():
        return None
    return Box(
        directions,
        families,
        protocols,
        (both(one.sources[0], other.sources[0]), both(one.sources[1], other.sources[1])),
        (
            both(one.destinations[0], other.destinations[0]),
            both(one.destinations[1], other.destinations[1]),
        ),
        both(one.first, other.first),
        both(one.second, other.second),
        (*one.flags, *other.flags),
    )
