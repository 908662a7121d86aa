"""What `clawkeep skills` says: skill by skill, and its two forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from clawkeep.agent.report import WORDS, span
from clawkeep.verdict import Verdict


@dataclass(frozen=True)
class Row:
    """One skill. `installed` and `configured` are None where nobody could look.

    `proof` is `ok`, `failed`, `needs a Mac`, `never`, or `outdated`: of another declaration.
    `groups` are those whose agents may use it, as `agent.group_skills` writes them.
    `measured` are numbers and names that its probe took down, such as whisper's ratio.
    """

    name: str
    summary: str
    needs: str = ""
    installed: bool | None = None
    configured: bool | None = None
    proof: str = "never"
    evidence: str = ""
    age_s: float | None = None
    groups: tuple[str, ...] = ()
    measured: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Well only when all of it is there and was proved as it is declared."""
        if self.installed is False or self.configured is False or self.proof == "failed":
            return Verdict.BAD
        if self.installed and self.configured and self.proof == "ok":
            return Verdict.WELL
        return Verdict.UNKNOWN


@dataclass(frozen=True)
class Report:
    """All skills of a keep. `error` says why nobody could look."""

    guest: str
    rows: tuple[Row, ...] = ()
    error: str = ""
    unreached: Verdict = Verdict.UNKNOWN

    @property
    def verdict(self) -> Verdict:
        """What is certainly wrong comes first; ignorance is never well."""
        if self.error:
            return self.unreached
        found = {row.verdict for row in self.rows}
        for verdict in (Verdict.BAD, Verdict.UNKNOWN):
            if verdict in found:
                return verdict
        return Verdict.WELL

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data; verdicts are words."""
        rows = [asdict(row) | {"verdict": WORDS[row.verdict]} for row in self.rows]
        return {
            "guest": self.guest,
            "verdict": WORDS[self.verdict],
            "error": self.error,
            "skills": rows,
        }

    def lines(self) -> Iterator[str]:
        """Yield the lines for a terminal: a head, then one per skill, in stable columns."""
        if self.error:
            yield f"{self.guest}: {self.error}"
        width = max([len(row.name) for row in self.rows] or [0])
        yield f"{'SKILL':{width}}  {'INSTALLED':10}{'CONFIGURED':12}{'PROVED':12}EVIDENCE"
        for row in self.rows:
            age = "" if row.age_s is None else f" ({span(row.age_s)} ago)"
            needs = f"  [needs {row.needs}]" if row.needs else ""
            groups = f"  [agents of {', '.join(row.groups)}]" if row.groups else ""
            yield (
                f"{row.name:{width}}  {_word(row.installed):10}{_word(row.configured):12}"
                f"{row.proof:12}{row.evidence or '-'}{age}{needs}{groups}"
            )


def _word(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "?"}[value]
