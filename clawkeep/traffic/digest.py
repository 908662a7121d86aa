"""A day of traffic on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from clawkeep.traffic.spans import clock
from clawkeep.traffic.table import columns

TOP = 10
"""How many targets of the proxy are named."""


@dataclass(frozen=True, slots=True)
class Total:
    """What one service (or one refusing rule of pf, whose `connections` are packets) did in a day.

    `open` began on that day and has not ended; it is not among the others.
    """

    source: str
    service: str
    connections: int = 0
    failed: int = 0
    denied: int = 0
    report: int = 0
    open: int = 0
    first: float | None = None
    last: float | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """One day of the host's local time; `targets` are the proxy's busiest, with their counts."""

    day: date
    totals: tuple[Total, ...] = ()
    targets: tuple[tuple[str, int], ...] = ()
    denied_targets: tuple[tuple[str, int], ...] = ()

    @property
    def doors(self) -> Sequence[Total]:
        """The bridges and the proxy."""
        return [total for total in self.totals if total.source != "pf"]

    @property
    def packets(self) -> int:
        """How many packets pf refused."""
        return sum(total.denied for total in self.totals if total.source == "pf")

    @property
    def denied(self) -> int:
        """How many connections the bridges and the proxy refused."""
        return sum(total.denied for total in self.doors)

    def headline(self) -> str:
        """Return the day in one sentence, for the event."""
        done = sum(total.connections for total in self.doors)
        failed = sum(total.failed for total in self.doors)
        return (
            f"{self.day}: {done} connections, {failed} failed, {self.denied} denied; "
            f"pf refused {self.packets} packets"
        )

    def text(self) -> str:
        """Return the page."""
        lines = [f"Traffic of {self.headline()}.", ""]
        head = ("service", "connections", "failed", "denied", "report", "open", "first", "last",
                "to guest", "from guest")  # fmt: skip
        lines += columns(head, [_cells(total) for total in self.doors]) if self.doors else []
        lines += _block("Packets refused by pf:", [
            (f"{t.service}", t.denied) for t in self.totals if t.source == "pf"])  # fmt: skip
        lines += _block("Most reached through the proxy:", self.targets)
        lines += _block("Most denied by the proxy:", self.denied_targets)
        if not self.totals:
            lines.append("No traffic at all.")
        return "\n".join(lines).rstrip() + "\n"

    def as_json(self) -> dict[str, Any]:
        """Return the digest as JSON values."""
        return {
            "day": self.day.isoformat(),
            "denied": self.denied,
            "packets_refused": self.packets,
            "totals": [asdict(total) for total in self.totals],
            "targets": [{"target": t, "count": n} for t, n in self.targets],
            "denied_targets": [{"target": t, "count": n} for t, n in self.denied_targets],
        }


def _cells(total: Total) -> tuple[str, ...]:
    times = (clock(t, "%H:%M:%S") if t is not None else "-" for t in (total.first, total.last))
    octets = ("-" if n is None else str(n) for n in (total.bytes_in, total.bytes_out))
    counts = (total.connections, total.failed, total.denied, total.report, total.open)
    return (total.service, *map(str, counts), *times, *octets)


def _block(title: str, counts: Sequence[tuple[str, int]]) -> list[str]:
    return ["", title, *(f"  {count:>8}  {name}" for name, count in counts)] if counts else []
