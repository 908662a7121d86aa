"""What an alert is about: a condition that begins and ends, or something that happened once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clawkeep.alerts.words import clean, lines

SEVERITIES: Final = ("info", "warning", "critical")
"""Least first."""

KEY: Final = re.compile(r"[a-z0-9][a-z0-9._:-]{0,99}")
MAX_TEXT: Final = 300
MAX_EVIDENCE: Final = 1200


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that the operator should know.

    `key` tells it from all others: what is raised again under the same key is the same alert.
    `text` is a sentence, `evidence` some lines; both are made fit to be shown (no control
    characters, no tokens), for a guest may have had a hand in them. `once`: it happened and has no
    end, and its key will never be used for anything else. `source` says who clears it. Raises
    ValueError for a key or severity that is none.
    """

    key: str
    severity: str
    text: str
    evidence: str = ""
    once: bool = False
    source: str = "verb"

    def __post_init__(self) -> None:
        if not KEY.fullmatch(self.key):
            raise ValueError(
                f"{self.key!r} is no key: expected up to 100 lower-case letters, digits and . _ : -"
            )
        if self.severity not in SEVERITIES:
            raise ValueError(f"{self.severity!r} is none of {', '.join(SEVERITIES)}")
        object.__setattr__(self, "text", clean(self.text, MAX_TEXT))
        object.__setattr__(self, "evidence", lines(self.evidence, MAX_EVIDENCE))

    @property
    def rank(self) -> int:
        """Its severity as a number: the higher, the worse."""
        return rank(self.severity)


def rank(severity: str) -> int:
    """Return a severity as a number: the higher, the worse. Raises ValueError."""
    return SEVERITIES.index(severity)
