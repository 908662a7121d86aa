"""Sets of whole numbers as sorted, disjoint, inclusive intervals: addresses, ports, protocols."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[int, int]
Spans = tuple[Span, ...]

NOTHING: Spans = ()


def united(spans: Iterable[Span]) -> Spans:
    """Return the union; intervals that overlap or touch become one. Sorting is all it costs."""
    found: list[Span] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1] + 1:
            if high > found[-1][1]:
                found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return tuple(found)


def complement(spans: Spans, top: int) -> Spans:
    """Return what 0..`top` holds and `spans` does not."""
    found: list[Span] = []
    begin = 0
    for low, high in spans:
        if low > begin:
            found.append((begin, low - 1))
        begin = high + 1
    if begin <= top:
        found.append((begin, top))
    return tuple(found)


def intersection(one: Spans, other: Spans) -> Spans:
    """Return what both hold."""
    found: list[Span] = []
    left, right = 0, 0
    while left < len(one) and right < len(other):
        low = max(one[left][0], other[right][0])
        high = min(one[left][1], other[right][1])
        if low <= high:
            found.append((low, high))
        if one[left][1] < other[right][1]:
            left += 1
        else:
            right += 1
    return tuple(found)


def both(one: Spans | None, other: Spans | None) -> Spans | None:
    """Return the intersection, where None stands for "no condition"."""
    if one is None or other is None:
        return other if one is None else one
    return intersection(one, other)


def without(spans: Spans, other: Spans) -> Spans:
    """Return what `spans` holds and `other` does not."""
    if not spans:
        return NOTHING
    return intersection(spans, complement(other, spans[-1][1]))


def holds(spans: Spans, value: int) -> bool:
    """Tell whether `value` is in the set."""
    return any(low <= value <= high for low, high in spans)
