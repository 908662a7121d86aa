"""What `clawkeep agent status` says: rows, their verdicts, and their two forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from clawkeep.agent.facts import text
from clawkeep.verdict import Verdict

WELL, ILL, UNKNOWN = Verdict.WELL, Verdict.BAD, Verdict.UNKNOWN
WORDS = {WELL: "well", ILL: "ill", UNKNOWN: "unknown"}


@dataclass(frozen=True)
class Row:
    """One thing that was looked at: what it is, what shows it, how old that is, what it means."""

    name: str
    verdict: Verdict
    value: str
    evidence: str = ""
    age_s: float | None = None


def unknown(name: str, part: object) -> Row:
    """Return the row of a part that was not learned; it may say why."""
    why = text(part, "error") if isinstance(part, Mapping) else ""
    return Row(name, UNKNOWN, "not seen", why or "no answer to that")


@dataclass(frozen=True)
class Report:
    """The agent's status. `error` says why nobody could look; `verdict` is then without rows."""

    guest: str
    profile: str
    rows: tuple[Row, ...] = ()
    error: str = ""
    unreached: Verdict = field(default=Verdict.UNKNOWN)

    @property
    def verdict(self) -> Verdict:
        """What is certainly ill comes first; ignorance is never well."""
        found = {row.verdict for row in self.rows} or {self.unreached}
        for verdict in (Verdict.BAD, Verdict.UNKNOWN):
            if verdict in found:
                return verdict
        return Verdict.WELL

    def summary(self) -> str:
        """Return one line: the verdict, and what is not well, the worst first."""
        if self.error:
            return f"{WORDS[self.unreached]}: {self.error}"
        ill = sorted((row for row in self.rows if row.verdict), key=lambda row: row.verdict)
        named = ", ".join(f"{row.name} {row.value}" for row in ill)
        return f"{WORDS[self.verdict]}: {named}" if named else WORDS[self.verdict]

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data; verdicts are words."""
        rows = [asdict(row) | {"verdict": WORDS[row.verdict]} for row in self.rows]
        return {
            "guest": self.guest,
            "profile": self.profile,
            "verdict": WORDS[self.verdict],
            "error": self.error,
            "rows": rows,
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines for a terminal: one per row, in stable columns."""
        if self.error:
            yield f"{WORDS[self.unreached]:8} {'guest':18} {self.guest}: {self.error}"
        width = max((len(row.value) for row in self.rows), default=0)
        for row in self.rows:
            age = "" if row.age_s is None else f" ({span(row.age_s)} ago)"
            shows = f"  {row.evidence}{age}" if row.evidence or age else ""
            left = f"{WORDS[row.verdict]:8} {row.name:18} "
            yield f"{left}{row.value:{min(width, 40)}}{shows}".rstrip()


def span(seconds: float) -> str:
    """Return a length of time in two units at most: `3 h 12 min`."""
    rest = max(0, round(seconds))
    found: list[str] = []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if rest >= size or (name == "s" and not found):
            found.append(f"{rest // size} {name}")
            rest %= size
        elif found:
            break
    return " ".join(found[:2])
