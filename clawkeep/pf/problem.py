"""One direction, family, class of protocols and of TCP flags: what is left are four dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

from . import names
from .address import FAMILIES, TOP, Family
from .classes import Flags, flag_classes, protocol_classes
from .diagram import NOBODY, Conditions, Diagram, Leaf, Point, build, cells, lowest
from .flatten import Step
from .flow import ANY_ICMP, ANY_PORT, Flow
from .packet import DIRECTIONS, Direction, Packet, has_icmp_type
from .rule import TOP_PORT
from .spans import Spans, intersection

_ALL_FLAGS = Flags("S", frozenset())


class Problem:
    """The rules that concern one class of packets, and the flows that hold some of it."""

    def __init__(
        self, direction: Direction, family: Family, protocols: Spans, flags: Flags
    ) -> None:
        self.direction, self.family, self.protocols, self.flags = (
            direction, family, protocols, flags,
        )  # fmt: skip
        self.begins = flags.begins
        self._steps: list[Step] = []
        self._flows: list[Flow] = []
        number = protocols[0][0]
        self._icmp = has_icmp_type(family, number)
        self._ports = number in names.WITH_PORTS
        last = TOP_PORT if self._ports else 255 if self._icmp else 0
        self._tops = (TOP[family], TOP[family], last, last)

    def add(self, step: Step) -> None:
        """Take a rule of the list; the earlier one decides."""
        self._steps.append(step)

    def expect(self, flow: Flow) -> None:
        """Take a flow that holds these protocols."""
        self._flows.append(flow)

    # -- diagrams -------------------------------------------------------------------------------

    @cached_property
    def _hopeful(self) -> tuple[list[Step], Diagram]:
        """All that may pass: of the rules that cannot be judged, the passes."""
        return self._diagram([one for one in self._steps if not one.doubtful or one.passes])

    @cached_property
    def _doubtful(self) -> tuple[list[Step], Diagram]:
        """All that passes for sure: of the rules that cannot be judged, the blocks."""
        if not any(one.doubtful for one in self._steps):
            return self._hopeful
        return self._diagram([one for one in self._steps if not one.doubtful or not one.passes])

    def _diagram(self, steps: list[Step]) -> tuple[list[Step], Diagram]:
        rules = [self._conditions(step) for step in steps]
        return steps, build(rules, [self._asked(flow) for flow in self._flows], self._tops)

    def _conditions(self, step: Step) -> Conditions:
        box, place = step.box, FAMILIES.index(self.family)
        return box.sources[place], box.destinations[place], box.first, box.second

    def _asked(self, flow: Flow) -> Conditions:
        first = second = None
        if self._ports:
            first, second = _narrow(ANY_PORT, flow.source_ports, flow.destination_ports)
        elif self._icmp:
            first, second = _narrow(ANY_ICMP, flow.icmp_types, flow.icmp_codes)
        addresses = _narrow(((0, TOP[self.family]),), flow.source, flow.destination)
        return *addresses, first, second

    # -- answers --------------------------------------------------------------------------------

    def excess(self) -> Iterator[tuple[Step | None, Point]]:
        """Yield who lets pass what no flow holds, and the lowest such packet."""
        steps, diagram = self._hopeful
        for leaf, point in lowest(diagram).items():
            if leaf.flow == NOBODY and _passes(steps, leaf):
                yield _step(steps, leaf), point

    def failing(
        self,
    ) -> Iterator[tuple[Literal["missing", "state"], Step | None, Flow, Point]]:
        """Yield who does not let pass, or not with the declared state, what a flow holds."""
        steps, diagram = self._doubtful
        for leaf, point in lowest(diagram).items():
            if leaf.flow == NOBODY:
                continue
            step, flow = _step(steps, leaf), self._flows[leaf.flow]
            if not _passes(steps, leaf):
                yield "missing", step, flow, point
            elif flow.state not in {None, _keeps_state(step)}:
                yield "state", step, flow, point

    def passing(self) -> Iterator[Flow]:
        """Yield all that may pass."""
        steps, diagram = self._hopeful
        for cell in cells(diagram, self._tops, lambda leaf: _passes(steps, leaf)):
            sources, destinations, first, second = cell
            flow = Flow(self.direction, self.family, self.protocols, sources, destinations)
            if self._ports:
                yield replace(flow, source_ports=first, destination_ports=second)
            elif self._icmp:
                yield replace(flow, icmp_types=first, icmp_codes=second)
            else:
                yield flow

    def packet(self, interface: str, point: Point) -> Packet:
        """Return the packet at a point of the four dimensions."""
        source, destination, first, second = point
        ports = (first, second) if self._ports else (0, 0)
        icmp = (first, second) if self._icmp else (0, 0)
        return Packet(
            interface, self.direction, self.family, self.protocols[0][0],
            source, destination, *ports, *icmp, self.flags.letters,
        )  # fmt: skip


def _narrow(whole: Spans, *found: Spans) -> tuple[Spans | None, Spans | None]:
    first, second = (None if one == whole else one for one in found)
    return first, second


def _step(steps: Sequence[Step], leaf: Leaf) -> Step | None:
    return None if leaf.rule == NOBODY else steps[leaf.rule]


def _keeps_state(step: Step | None) -> bool:
    return step is not None and step.match.rule.keeps_state


def _passes(steps: Sequence[Step], leaf: Leaf) -> bool:
    return leaf.rule == NOBODY or steps[leaf.rule].passes


def problems(steps: Sequence[Step], flows: Sequence[Flow]) -> list[Problem]:
    """Sort rules and flows into problems that have nothing to do with one another."""
    return _Sorter(steps, flows).sorted()


class _Sorter:
    """Finds the problems that a rule or flow belongs to, once for all that are alike in this."""

    def __init__(self, steps: Sequence[Step], flows: Sequence[Flow]) -> None:
        self._steps, self._flows = steps, flows
        named: Iterable[Spans | None] = (
            *(one.box.protocols for one in steps), *(one.protocol for one in flows),
        )  # fmt: skip
        flags = flag_classes(pair for one in steps for pair in one.box.flags)
        self._all = [
            Problem(direction, family, protocols, which)
            for direction in DIRECTIONS
            for family in FAMILIES
            for protocols in protocol_classes(named)
            for which in (flags if protocols == _TCP else [_ALL_FLAGS])
        ]
        self._known: dict[object, list[Problem]] = {}

    def sorted(self) -> list[Problem]:
        for step in self._steps:
            box = step.box
            key = box.directions, box.families, box.protocols, box.flags
            if key not in self._known:
                self._known[key] = self._of(*key)
            for problem in self._known[key]:
                problem.add(step)
        for flow in self._flows:
            shape = (flow.direction,), (flow.family,), flow.protocol
            if shape not in self._known:
                self._known[shape] = self._of(*shape, ())
            for problem in self._known[shape]:
                problem.expect(flow)
        return self._all

    def _of(
        self,
        directions: tuple[str, ...],
        families: tuple[str, ...],
        protocols: Spans | None,
        flags: tuple[tuple[str, str], ...],
    ) -> list[Problem]:
        return [
            one
            for one in self._all
            if one.direction in directions
            and one.family in families
            and (protocols is None or intersection(one.protocols, protocols))
            and (one.protocols != _TCP or one.flags.met.issuperset(flags))
        ]


_TCP: Spans = ((names.TCP, names.TCP),)
