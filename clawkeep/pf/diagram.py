"""Who decides for every packet: a decision diagram over addresses and ports, built exactly.

One dimension after the other is cut where a condition begins or ends; pieces for which the same
conditions stay are one. So ten thousand rules that differ in their port alone cost one sort of
their ports, and nothing is sampled. Widths do not matter: a piece of 2^128 addresses is one piece.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .spans import Span, Spans, united

DIMENSIONS = 4
"""Source and destination address, then the two ports (or ICMP's type and code)."""

NOBODY = -1
Conditions = tuple[Spans | None, Spans | None, Spans | None, Spans | None]
"""What a rule or flow asks of each dimension; None is nothing."""

Cell = tuple[Spans, ...]
Point = tuple[int, ...]


class Leaf(NamedTuple):
    """Whose packets these are: the deciding rule, and the first flow that holds them; or NOBODY."""

    rule: int
    flow: int


class Node(NamedTuple):
    """One dimension, cut: disjoint sets that are together all of it, each with what follows."""

    branches: tuple[tuple[Spans, Node | Leaf], ...]


Diagram = Node | Leaf


def build(rules: Sequence[Conditions], flows: Sequence[Conditions], tops: Sequence[int]) -> Diagram:
    """Return the diagram of `rules` (the first that matches decides) and `flows` (likewise).

    `tops` are the highest values of the dimensions. O(n log n) where rules share all dimensions
    but one; never more pieces than the conditions make.
    """
    builder = _Builder(rules, flows, tops)
    return builder.build(
        0,
        [number for number, one in enumerate(rules) if () not in one],
        [number for number, one in enumerate(flows) if () not in one],
    )


def _open_from(conditions: Conditions) -> int:
    """Return the first dimension from which on nothing is asked."""
    depth = DIMENSIONS
    while depth and conditions[depth - 1] is None:
        depth -= 1
    return depth


class _Builder:
    def __init__(
        self, rules: Sequence[Conditions], flows: Sequence[Conditions], tops: Sequence[int]
    ) -> None:
        self._conditions = (rules, flows)
        self._open = tuple([_open_from(one) for one in of] for of in (rules, flows))
        self._tops = tops
        self._known: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Node] = {}

    def build(self, depth: int, rules: list[int], flows: list[int]) -> Diagram:
        """Return the diagram from one dimension on, for the rules and flows that are left."""
        rules, flows = self._cut(0, depth, rules), self._cut(1, depth, flows)
        if self._settled(0, depth, rules) and self._settled(1, depth, flows):
            return Leaf(rules[0] if rules else NOBODY, flows[0] if flows else NOBODY)
        key = depth, tuple(rules), tuple(flows)
        found = self._known.get(key)
        if found is None:
            last = depth == DIMENSIONS - 1
            pieces = self._leaves(rules, flows) if last else self._pieces(depth, rules, flows)
            found = self._known[key] = _node(pieces)
        return found

    def _cut(self, kind: int, depth: int, numbers: list[int]) -> list[int]:
        """Leave out what comes after one that asks nothing more: it never gets its turn."""
        opened = self._open[kind]
        for place, number in enumerate(numbers):
            if opened[number] <= depth:
                return numbers[: place + 1]
        return numbers

    def _settled(self, kind: int, depth: int, numbers: list[int]) -> bool:
        return not numbers or self._open[kind][numbers[0]] <= depth

    def _events(
        self, kind: int, depth: int, numbers: list[int]
    ) -> tuple[list[int], list[tuple[int, int, int, bool]]]:
        """Return those without a condition here, and where the others begin and end."""
        free: list[int] = []
        events: list[tuple[int, int, int, bool]] = []
        conditions = self._conditions[kind]
        for number in numbers:
            spans = conditions[number][depth]
            if spans is None:
                free.append(number)
                continue
            for low, high in spans:
                events.append((low, kind, number, True))
                events.append((high + 1, kind, number, False))
        return free, events

    def _pieces(
        self, depth: int, rules: list[int], flows: list[int]
    ) -> Iterator[tuple[Span, Diagram]]:
        free_rules, events = self._events(0, depth, rules)
        free_flows, more = self._events(1, depth, flows)
        active: tuple[set[int], set[int]] = (set(), set())
        for piece in _swept(sorted(events + more), self._tops[depth], active):
            yield (
                piece,
                self.build(
                    depth + 1,
                    sorted([*free_rules, *active[0]]),
                    sorted([*free_flows, *active[1]]),
                ),
            )

    def _leaves(self, rules: list[int], flows: list[int]) -> Iterator[tuple[Span, Diagram]]:
        """Cut the last dimension: only the first of those that match matters, so heaps do."""
        depth = DIMENSIONS - 1
        free_rules, events = self._events(0, depth, rules)
        free_flows, more = self._events(1, depth, flows)
        firsts = (_First(free_rules), _First(free_flows))
        for piece in _swept(sorted(events + more), self._tops[depth], firsts):
            yield piece, Leaf(firsts[0].number, firsts[1].number)


class _First:
    """The smallest of some numbers that come and go, and of one that stays."""

    def __init__(self, free: list[int]) -> None:
        self._always = free[0] if free else NOBODY
        self._heap: list[int] = []
        self._active: set[int] = set()

    def add(self, number: int) -> None:
        self._active.add(number)
        heapq.heappush(self._heap, number)

    def discard(self, number: int) -> None:
        self._active.discard(number)

    @property
    def number(self) -> int:
        while self._heap and self._heap[0] not in self._active:
            heapq.heappop(self._heap)
        if not self._heap:
            return self._always
        return self._heap[0] if self._always == NOBODY else min(self._heap[0], self._always)


def _swept(
    events: list[tuple[int, int, int, bool]],
    top: int,
    active: Sequence[set[int] | _First],
) -> Iterator[Span]:
    """Yield the pieces between events; `active` holds what covers the piece just yielded."""
    begin = 0
    for point, kind, number, starts in events:
        if point > begin:
            yield begin, point - 1
            begin = point
        if starts:
            active[kind].add(number)
        else:
            active[kind].discard(number)
    if begin <= top:
        yield begin, top


def _node(pieces: Iterator[tuple[Span, Diagram]]) -> Node:
    """Join the pieces that go on alike."""
    spans: dict[Leaf | int, list[Span]] = {}
    after: dict[Leaf | int, Diagram] = {}
    for (low, high), diagram in pieces:
        key = diagram if isinstance(diagram, Leaf) else id(diagram)
        after[key] = diagram
        known = spans.setdefault(key, [])
        if known and known[-1][1] + 1 == low:
            known[-1] = (known[-1][0], high)
        else:
            known.append((low, high))
    return Node(tuple((tuple(found), after[key]) for key, found in spans.items()))


def lowest(diagram: Diagram) -> dict[Leaf, Point]:
    """Return the lowest packet of each leaf: by source, then destination, then the ports."""
    known: dict[int, dict[Leaf, Point]] = {}

    def of(part: Diagram, depth: int) -> dict[Leaf, Point]:
        if isinstance(part, Leaf):
            return {part: (0,) * (DIMENSIONS - depth)}
        if id(part) not in known:
            found: dict[Leaf, Point] = {}
            beyond = (0,) * (DIMENSIONS - depth - 1)
            for spans, inner in part.branches:
                low = spans[0][0]
                for leaf, rest in (
                    [(inner, beyond)] if isinstance(inner, Leaf) else of(inner, depth + 1).items()
                ):
                    point = (low, *rest)
                    if leaf not in found or point < found[leaf]:
                        found[leaf] = point
            known[id(part)] = found
        return known[id(part)]

    return of(diagram, 0)


def cells(
    diagram: Diagram, tops: Sequence[int], wanted: Callable[[Leaf], bool]
) -> tuple[Cell, ...]:
    """Return the packets of the leaves that are `wanted`, as disjoint products of sets."""
    known: dict[int, tuple[Cell, ...]] = {}

    def of(part: Diagram, depth: int) -> tuple[Cell, ...]:
        if isinstance(part, Leaf):
            return (tuple(((0, top),) for top in tops[depth:]),) if wanted(part) else ()
        if id(part) not in known:
            joined: dict[tuple[Cell, ...], list[Span]] = {}
            for spans, inner in part.branches:
                joined.setdefault(of(inner, depth + 1), []).extend(spans)
            known[id(part)] = tuple(
                (united(spans), *rest) for after, spans in joined.items() for rest in after
            )
        return known[id(part)]

    return of(diagram, 0)
