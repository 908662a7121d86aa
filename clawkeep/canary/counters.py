"""pf's own counts, of which a guest can forge none: read here for the guard and the canary."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

RULE = re.compile(r'\bon (?P<bridge>\w+)\b.* label "(?P<label>[^"]+)"')
PACKETS = re.compile(r"\bPackets: (\d+)")


def counted(text: str, bridge: str) -> dict[str, int]:
    """Return packets by label of the rules on `bridge`; `text` is what `pfctl -vsr` prints.

    A line of counters follows each rule (reference/macos.md §1.1). Rules of one label are summed.
    Evaluations are left out: packets of other interfaces move them, too.
    """
    packets: Counter[str] = Counter()
    label: str | None = None
    for line in text.splitlines():
        if not line.startswith((" ", "\t")):
            rule = RULE.search(line)
            label = rule["label"] if rule and rule["bridge"] == bridge else None
        elif label is not None and (count := PACKETS.search(line)):
            packets[label] += int(count[1])
            label = None
    return dict(packets)


def grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int] | None:
    """Return by how much each count grew; None when the rules were loaded anew in between."""
    if before.keys() != after.keys() or any(after[label] < before[label] for label in after):
        return None
    return {label: after[label] - before[label] for label in after}
