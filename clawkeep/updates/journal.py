"""What is written down of an update before anything changes, so that a kill leaves it known."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final

APPLYING, APPLIED, ROLLING_BACK, BY_HAND = "applying", "applied", "rolling back", "by hand"
STAGES: Final = frozenset({APPLYING, APPLIED, ROLLING_BACK, BY_HAND})
FORMAT: Final = 1


class JournalError(ValueError):
    """The journal cannot be read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An update that is under way.

    `snapshot` is what comes back when it is red; `who` began it at `t` (Unix seconds of the
    operator's clock). `wanted` are the versions to come by formula, `majors` the formulas that may
    change by a major. `kegs`, `programs` and `skills` are what was there and well before: versions
    by formula, programs that ran, skills that were proved.
    """

    stage: str
    snapshot: str
    who: str
    t: float
    reason: str
    wanted: dict[str, str] = field(default_factory=dict)
    majors: tuple[str, ...] = ()
    kegs: dict[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    why: str = ""

    def text(self) -> str:
        """Return it as it is kept: one line of ASCII."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)


def parse(text: str) -> Entry:
    """Read an entry. Raises JournalError."""
    try:
        data = json.loads(text)
        if data.pop("format", None) != FORMAT:
            raise JournalError("the journal of updates is none of this version")
        for name in ("majors", "programs", "skills"):
            data[name] = tuple(_texts(data[name]))
        entry = Entry(**data)
        _texts(entry.wanted.values())
        _texts(entry.kegs.values())
        _texts((entry.snapshot, entry.who, entry.reason, entry.why))
        if entry.stage not in STAGES or isinstance(entry.t, bool):
            raise JournalError(f"the journal of updates is at no stage: {entry.stage!r}")
        float(entry.t)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise JournalError(f"the journal of updates is damaged: {error}") from error
    return entry


def _texts(values: Any) -> list[str]:
    found = list(values)
    if any(not isinstance(value, str) for value in found):
        raise TypeError("text is expected")
    return found
