"""What a host knows of its audits: how often one is due, and how the last one ended.

The audit runs on an operator's machine, which leaves this behind; the host only keeps it, looks at
its age, and alerts. Standard library only: it runs on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

FORMAT: Final = 1
VERDICTS: Final = ("well", "bad", "unknown")
SEVERITIES: Final = ("warning", "critical")
FEW: Final = 10
"""Findings that are named; the audit itself has all of them."""

DAY_S: Final = 86_400
PERIODS: Final = {"daily": DAY_S, "weekly": 7 * DAY_S}
SLACK_S: Final = DAY_S // 2
"""An audit may be so late: a laptop is asleep at times."""

AHEAD_S: Final = 300
"""What was done later than now was done by a clock that was wrong, and proves nothing."""


class NoteError(ValueError):
    """The note cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """An audit is due every `every_s` seconds, by `who` (`user@machine`), since `since`.

    `since` is in Unix seconds of the host's clock.
    """

    every_s: int
    who: str
    since: float


@dataclass(frozen=True, slots=True)
class Last:
    """How the last whole audit ended, at `t` by the host's clock (Unix seconds).

    `passed`, `failed`, `unknown` and `accepted` are numbers of checks, `found` the first that
    differ, in words. `severity` is that of what differs.
    """

    t: float
    verdict: str
    who: str
    passed: int = 0
    failed: int = 0
    unknown: int = 0
    accepted: int = 0
    severity: str = "warning"
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """Both of them; either may be missing."""

    schedule: Schedule | None = None
    last: Last | None = None

    def text(self) -> str:
        """Return it as it is kept."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    def due(self, now: float) -> float | None:
        """Return when the next audit is late (Unix seconds), None when none is declared."""
        if self.schedule is None:
            return None
        done = [self.last.t] if self.last and self.last.t <= now + AHEAD_S else []
        return max([self.schedule.since, *done]) + self.schedule.every_s + SLACK_S

    def problems(self, now: float) -> Iterator[tuple[str, str, str, str]]:
        """Yield what somebody should know: a key, a severity, a sentence, and evidence.

        Nothing without a schedule: whoever audits by hand sees how it ends.
        """
        if self.schedule is None:
            return
        last = self.last
        if last and last.verdict == "bad":
            words = f"the audit found {last.failed} that differ from the declaration"
            yield "red", last.severity, words, "\n".join(last.found)
        elif last and last.verdict != "well":
            words = f"the audit could not tell of {last.unknown or 'any'} of its checks"
            yield "blind", "warning", words, "\n".join(last.found)
        due = self.due(now)
        if due is not None and now > due:
            words = f"no audit has come for too long; {self.schedule.who} was to make one"
            yield "late", "warning", words, "clawkeep audit --schedule show, on that machine"


def parse(text: str) -> Note:
    """Read a note. Raises NoteError."""
    try:
        data: dict[str, Any] = json.loads(text)
        if data.pop("format", None) != FORMAT:
            raise NoteError("the note of audits is none of this version")
        schedule, last = data.get("schedule"), data.get("last")
        return Note(
            Schedule(**schedule) if schedule is not None else None,
            checked(last) if last is not None else None,
        )
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise NoteError(f"the note of audits is damaged: {error}") from error


def checked(data: dict[str, Any]) -> Last:
    """Return how an audit ended. Raises NoteError for values that cannot be."""
    try:
        last = Last(**{**data, "found": tuple(str(line) for line in data.get("found", ()))})
        counts = (last.passed, last.failed, last.unknown, last.accepted)
        if any(type(one) is not int or one < 0 for one in counts):
            raise NoteError("a number of checks is no number")
        if last.verdict not in VERDICTS or last.severity not in SEVERITIES:
            raise NoteError(f"{last.verdict!r} and {last.severity!r} are no verdict and severity")
        float(last.t)
        return Last(**{**asdict(last), "found": last.found[:FEW], "who": str(last.who)})
    except (TypeError, AttributeError) as error:
        raise NoteError(f"how an audit ended cannot be read: {error}") from error
