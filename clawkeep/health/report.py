"""What `clawkeep health` says: the watcher's record, and whether anybody watches. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from clawkeep.agent.report import ILL, UNKNOWN, WELL, span
from clawkeep.health.causes import CAUSES, LAYERS
from clawkeep.health.finding import WORDS
from clawkeep.health.record import Record
from clawkeep.verdict import Verdict

LATE_S: Final = 120.0
"""A look may be so late: a repair takes a minute, a frozen guest keeps each question waiting."""

NOBODY: Final = "nobody watches"


@dataclass(frozen=True)
class Report:
    """The watcher's record as it is now. `now` is the host's clock, `pid` the job's process.

    `error` says why the host could not be asked; without a record there is no watcher.
    """

    guest: str
    record: Record | None = None
    now: float = 0.0
    pid: int | None = None
    error: str = ""

    @property
    def age_s(self) -> float:
        """Seconds since the last look."""
        return max(0.0, self.now - self.record.at) if self.record else 0.0

    @property
    def watched(self) -> str:
        """Say why nobody watches, "" when somebody does: a dead watcher sees nothing wrong."""
        if self.record is None:
            return f"{NOBODY}: there is no record; clawkeep apply operations"
        late = self.age_s > self.record.every_s + LATE_S
        if self.pid is None:
            return f"{NOBODY}: the job com.nanoclaw.health has no process"
        return f"{NOBODY}: the last look is {span(self.age_s)} old" if late else ""

    @property
    def verdict(self) -> Verdict:
        """Ill when something is, or when nobody watches; unknown is never well."""
        if self.error:
            return UNKNOWN
        if self.watched or self.record is None:
            return ILL
        return self.record.verdict

    @property
    def summary(self) -> str:
        """One line: how it is, why, and what is being done."""
        if self.error:
            return f"unknown: {self.error}"
        if self.watched or self.record is None:
            return f"ill: {self.watched}"
        cause = self.record.cause
        if cause is None:
            blind = [n for n, s in self.record.standings.items() if s.finding.verdict is UNKNOWN]
            named = f": {', '.join(blind)} not known" if blind else ""
            return f"{WORDS[self.record.verdict]}{named}, looked {span(self.age_s)} ago"
        doing = f"; {self.record.says}" if self.record.says else ""
        return f"ill: {CAUSES[cause.cause].words}{doing}"

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data; ages are in seconds, verdicts are words."""
        record = self.record
        cause = record.cause if record and not self.watched else None
        return {
            "guest": self.guest,
            "verdict": WORDS[self.verdict],
            "summary": self.summary,
            "cause": cause.cause if cause else None,
            "fix": CAUSES[cause.cause].fix if cause else None,
            "error": self.error,
            "watcher": {"pid": self.pid, "age_s": round(self.age_s, 1), "problem": self.watched},
            "layers": [self._layer(name) for name in LAYERS if record and name in record.standings],
            "repairs": record.ladder.as_data() if record else None,
            "says": record.says if record else "",
            "hold": record.hold if record else "",
            "took_ms": record.took_ms if record else None,
            "samples": [
                {"t": t, "load": load, "memory_free_percent": memory, "disk_free_bytes": disk}
                for t, load, memory, disk in (record.samples if record else ())
            ],
        }

    def _layer(self, name: str) -> dict[str, Any]:
        standing = self.record.standings[name] if self.record else None
        if standing is None:
            raise KeyError(name)
        found = standing.finding
        return {
            "layer": name,
            "verdict": WORDS[found.verdict],
            "value": found.value,
            "evidence": found.evidence,
            "cause": found.cause or None,
            "since_s": round(max(0.0, self.now - standing.since), 1),
            "age_s": round(max(0.0, self.now - standing.seen), 1) if standing.seen else None,
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines for a terminal: a row per layer, then what is done, and samples."""
        if self.error or self.record is None:
            yield f"{WORDS[self.verdict]:8} {'watcher':10} {self.error or self.watched}"
            return
        record = self.record
        state = self.watched or f"pid {self.pid}, looked {span(self.age_s)} ago"
        yield f"{WORDS[ILL if self.watched else WELL]:8} {'watcher':10} {state}"
        width = min(34, max((len(s.finding.value) for s in record.standings.values()), default=0))
        for name in LAYERS:
            if name not in record.standings:
                continue
            row = self._layer(name)
            since = f"for {span(row['since_s'])}"
            if row["age_s"] is None or row["age_s"] > self.age_s + 1:
                seen = "never" if row["age_s"] is None else f"{span(row['age_s'])} ago"
                since += f", last seen {seen}"
            tail = f"{row['evidence']} ({since})" if row["evidence"] else f"({since})"
            yield f"{row['verdict']:8} {name:10} {row['value']:{width}}  {tail}".rstrip()
        yield from self._below(record)

    def _below(self, record: Record) -> Iterator[str]:
        if cause := record.cause:
            known = CAUSES[cause.cause]
            yield f"cause    {known.words}"
            if known.fix:
                yield f"fix      {known.fix}"
        if record.says:
            yield f"repair   {record.says}"
        if record.hold and not record.cause:
            yield f"hold     nothing would be repaired now: {record.hold}"
        for name, at, unit, scale in (
            ("load", 1, "", 1.0),
            ("memory", 2, " % free", 1.0),
            ("disk", 3, " GB free", 1e9),
        ):
            values = [v / scale for s in record.samples if (v := s[at]) is not None]
            if values:
                low, high = min(values), max(values)
                span_of = f"{low:.1f} to {high:.1f} in an hour"
                yield f"sample   {name:10} {values[-1]:.1f}{unit}, {span_of}"
