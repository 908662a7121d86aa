"""Packets that no rule tells apart: protocols and TCP flags as a few classes, not 256 numbers.

All of TCP, UDP, ICMP and ICMPv6 stand alone; the protocols that a rule or flow names do too; all
that is left is one class.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

from . import names
from .packet import SYN
from .spans import Spans, complement, intersection

_ALONE = (names.ICMP, names.TCP, names.UDP, names.ICMP6)
_LETTERS = "FSRPAUEW"
_TOP = 255


def protocol_classes(named: Iterable[Spans | None]) -> list[Spans]:
    """Cut 0..255 so that each of `named` is a union of classes."""
    found: list[Spans] = [((0, _TOP),)]
    alone: list[Spans] = [((number, number),) for number in _ALONE]
    for spans in [*alone, *dict.fromkeys(one for one in named if one is not None)]:
        outside = complement(spans, _TOP)
        halves = [intersection(one, half) for one in found for half in (spans, outside)]
        found = [half for half in halves if half]
    return sorted(found)


class Flags(NamedTuple):
    """TCP flags that meet the same conditions. `letters` is one example: S alone if it is there."""

    letters: str
    met: frozenset[tuple[str, str]]

    @property
    def begins(self) -> bool:
        """Whether a connection begins so."""
        return self.letters == SYN


def flag_classes(conditions: Iterable[tuple[str, str]]) -> list[Flags]:
    """Tell apart what the conditions (set, of which) tell apart; what begins a flow comes first."""
    pairs = frozenset(conditions)
    found: dict[frozenset[tuple[str, str]], Flags] = {}
    for letters in _sets():
        met = frozenset(pair for pair in pairs if set(pair[0]) == set(pair[1]) & set(letters))
        found.setdefault(met, Flags(letters, met))
    return list(found.values())


@lru_cache(maxsize=1)
def _sets() -> tuple[str, ...]:
    every = [
        "".join(one) for size in range(len(_LETTERS) + 1) for one in combinations(_LETTERS, size)
    ]
    return tuple(sorted(every, key=lambda letters: letters != SYN))
