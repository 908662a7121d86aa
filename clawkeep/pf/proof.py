"""Whether rules let through exactly what is declared, for every packet there is.

The set that passes is computed, not sampled, and compared with the declared one; where they differ
the lowest packet that shows it is given. State is no part of the set: what is judged is a packet
for which no state answers, as the first of its flow. Fragments other than the first, which carry
no ports, are pf's scrub's business and not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from .evaluation import Match
from .flatten import flatten
from .flow import Flow
from .packet import Packet
from .problem import Problem, problems
from .ruleset import Ruleset
from .spans import united

Kind = Literal["excess", "missing", "state"]


@dataclass(frozen=True)
class Difference:
    """A packet that shows where rules and declaration differ.

    `kind` is excess (it passes and must not), missing (it must pass and does not for sure) or
    state (it passes, but the rule makes a state where none is declared, or the reverse).
    `decided` is the rule that decides for it, None for pf's default; `flow` is the declared flow
    that holds it, None for an excess.
    """

    kind: Kind
    packet: Packet
    decided: Match | None
    flow: Flow | None

    def __str__(self) -> str:
        by = f"by {self.decided}" if self.decided else "as no rule matches"
        return {
            "excess": f"passes and must not: {self.packet} ({by})",
            "missing": f"must pass and does not: {self.packet} ({by}; declared: {self.flow})",
            "state": f"passes, but with the wrong state: {self.packet} ({by})",
        }[self.kind]


@dataclass(frozen=True)
class Proof:
    """What the comparison found: one difference for each deciding rule, protocol and flow."""

    differences: tuple[Difference, ...]

    @property
    def holds(self) -> bool:
        """Whether exactly what is declared passes."""
        return not self.differences

    def __str__(self) -> str:
        return "\n".join(map(str, self.differences)) or "exactly what is declared passes"


def prove(ruleset: Ruleset, interfaces: Iterable[str], expected: Iterable[Flow]) -> Proof:
    """Compare what passes on each of `interfaces` with the union of the flows `expected`.

    A rule with a condition that cannot be judged (a user, a tag, an unknown table, …) counts
    against the rules: such a pass may pass, and is not relied on; such a block may not block.
    Where flows overlap, the first says what the state has to be.
    Raises AnchorLoopError, and ValueError for a table's entry that is no network.
    """
    flows = list(expected)
    found: dict[object, Difference] = {}
    for interface in interfaces:
        for problem in problems(flatten(ruleset, interface), flows):
            for one in _differences(problem, interface):
                # The same rule and flow, seen with other flags of TCP, are the same difference.
                packet = one.packet
                where = packet.interface, packet.direction, packet.family, packet.protocol
                found.setdefault((one.kind, *where, one.decided, one.flow), one)
    return Proof(tuple(found.values()))


def _differences(problem: Problem, interface: str) -> Iterator[Difference]:
    for step, point in problem.excess():
        yield Difference("excess", problem.packet(interface, point), step and step.match, None)
    if not problem.begins:
        return
    for kind, step, flow, point in problem.failing():
        yield Difference(kind, problem.packet(interface, point), step and step.match, flow)


def passing(ruleset: Ruleset, interface: str) -> tuple[Flow, ...]:
    """Return the flows whose first packet may pass on `interface`, disjoint; raises as `prove`."""
    found: dict[Flow, list[tuple[int, int]]] = {}
    for problem in problems(flatten(ruleset, interface), []):
        if problem.begins:
            for flow in problem.passing():
                # Protocols that pass alike are one flow.
                found.setdefault(replace(flow, protocol=()), []).extend(flow.protocol)
    return tuple(replace(flow, protocol=united(spans)) for flow, spans in found.items())
