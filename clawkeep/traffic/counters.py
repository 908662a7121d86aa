"""pf's counters of what it refused, as rows: one per minute, interface and rule that moved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clawkeep.traffic.rows import Row, clean, number

REFUSALS = ("deny4", "deny6", "deny-out", "kill")
RULE = re.compile(r'block .* on (bridge\d{1,5}) .*label "clawkeep-([a-z0-9-]+)"')
COUNTS = re.compile(r"\s*\[ Evaluations: +\d+ +Packets: +(\d+) +Bytes: +(\d+) .*\]")
LOADED = re.compile(r"\s*\[ Inserted: uid \d+ pid (\d+) .*\]")


@dataclass(frozen=True, slots=True)
class Counter:
    """What one rule has refused since its rules were loaded by process `mark`."""

    packets: int
    octets: int
    mark: str = ""


Key = tuple[str, str, str]
"""Anchor, interface, and label without its prefix."""


def counters(anchor: str, text: str) -> dict[Key, Counter]:
    """Read `pfctl -a ANCHOR -vsr`: each rule, then its counts and who loaded it.

    Source: reference/macos.md §9.
    """
    found: dict[Key, Counter] = {}
    key: Key | None = None
    for line in text.splitlines():
        if not line.startswith(" "):
            rule = RULE.match(line)
            key = (anchor, rule[1], rule[2]) if rule and rule[2] in REFUSALS else None
        elif key and (match := COUNTS.match(line)):
            packets, octets = number(match[1]), number(match[2])
            if packets is not None and octets is not None:
                found[key] = Counter(packets, octets)
        elif key in found and (match := LOADED.match(line)):
            found[key] = Counter(found[key].packets, found[key].octets, match[1])
    return found


def moved(
    before: Mapping[Key, Counter], after: Mapping[Key, Counter], *, now: float
) -> Iterable[Row]:
    """Yield a row for each counter that grew; rules loaded anew began at zero.

    What was counted between the last look and a reload is lost: pf keeps it nowhere.
    """
    for key, counter in sorted(after.items()):
        anchor, interface, label = key
        last = before.get(key, Counter(0, 0))
        if last.mark != counter.mark or counter.packets < last.packets:
            last = Counter(0, 0)
        packets = counter.packets - last.packets
        if packets <= 0:
            continue
        octets = max(0, counter.octets - last.octets)
        outwards = label == "deny-out"
        yield Row(
            time=now,
            source="pf",
            service=label,
            peer=interface,
            verdict="denied",
            target=clean(anchor),
            bytes_in=octets if outwards else None,
            bytes_out=None if outwards else octets,
            detail=f"{packets} packet{'' if packets == 1 else 's'} refused",
            count=packets,
        )
