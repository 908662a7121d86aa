"""What `clawkeep doctor` says: rows, their verdict, and their two forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from clawkeep.verdict import Verdict


class State(StrEnum):
    """How one thing is. `NEEDS_MAC`: this machine cannot show it, only Apple's hardware can."""

    OK = "ok"
    BAD = "bad"
    UNKNOWN = "unknown"
    NEEDS_MAC = "needs a Mac"


@dataclass(frozen=True)
class Row:
    """One thing that was looked at: where, what it is, what was measured, and what fixes it."""

    where: str
    name: str
    state: State
    value: str
    fix: str = ""


@dataclass(frozen=True)
class Report:
    """All rows of a host and its guest."""

    host: str
    guest: str
    rows: tuple[Row, ...]

    @property
    def verdict(self) -> Verdict:
        """Bad when anything is; well only when everything was seen and is."""
        states = {row.state for row in self.rows}
        if State.BAD in states:
            return Verdict.BAD
        return Verdict.WELL if states == {State.OK} else Verdict.UNKNOWN

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data; verdicts are words."""
        rows = []
        for row in self.rows:
            data = asdict(row)
            rows.append({"verdict": str(data.pop("state")), **data})
        words = {Verdict.WELL: State.OK, Verdict.BAD: State.BAD, Verdict.UNKNOWN: State.UNKNOWN}
        return {
            "host": self.host,
            "guest": self.guest,
            "verdict": str(words[self.verdict]),
            "rows": rows,
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines for a terminal: one per row, and below it what fixes it."""
        width = max((len(row.name) for row in self.rows), default=0)
        for row in self.rows:
            yield f"{row.state:12} {row.where:6} {row.name:{width}}  {row.value}".rstrip()
            if row.fix:
                yield f"{'':12} {'':6} {'':{width}}  -> {row.fix}"
