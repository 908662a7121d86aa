"""What the watcher has on record: var/health.json, written whole at each look."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clawkeep.agent.report import ILL, UNKNOWN, WELL
from clawkeep.health import finding, ladder
from clawkeep.health.causes import LAYERS
from clawkeep.health.finding import Finding, Standing
from clawkeep.health.ladder import Ladder
from clawkeep.onhost.plain import plain
from clawkeep.verdict import Verdict

FORMAT: Final = 1
SAMPLES: Final = 120
"""An hour of looks."""

Sample = tuple[float, float | None, float | None, float | None]
"""When; the load of 5 min, per cent of memory free, bytes of disk free, in the guest."""


@dataclass(frozen=True, slots=True)
class Record:
    """One look's outcome. `at` is a moment of the host's clock; `says` what is being done about it.

    `every_s` is how long until the next look at the latest, `hold` why nothing is repaired now.
    """

    at: float = 0.0
    pid: int = 0
    every_s: float = 30.0
    took_ms: int = 0
    standings: Mapping[str, Standing] = field(default_factory=dict)
    ladder: Ladder = field(default_factory=Ladder)
    says: str = ""
    hold: str = ""
    samples: tuple[Sample, ...] = ()

    @property
    def cause(self) -> Finding | None:
        """The ill layer that explains the others."""
        return finding.blamed(standing.finding for standing in self.standings.values())

    @property
    def verdict(self) -> Verdict:
        """The worst: ill, then unknown."""
        found = {standing.finding.verdict for standing in self.standings.values()} or {UNKNOWN}
        return next(verdict for verdict in (ILL, UNKNOWN, WELL) if verdict in found)

    def text(self) -> str:
        """Return health.json."""
        data = {
            "format": FORMAT,
            "at": self.at,
            "pid": self.pid,
            "every_s": self.every_s,
            "took_ms": self.took_ms,
            "verdict": finding.WORDS[self.verdict],
            "layers": [each.as_data() for each in self.standings.values()],
            "ladder": self.ladder.as_data(),
            "says": self.says,
            "hold": self.hold,
            "samples": self.samples,
        }
        return json.dumps(data) + "\n"


def parse(text: str | None) -> Record | None:
    """Read health.json; None for one that is none of this version, or damaged."""
    try:
        data = json.loads(text or "null")
        if data["format"] != FORMAT:
            return None
        found = (finding.parse(each) for each in data["layers"][: len(LAYERS)])
        return Record(
            _number(data["at"]),
            int(data["pid"]),
            _number(data["every_s"]),
            int(data["took_ms"]),
            {each.finding.layer: each for each in found if each is not None},
            ladder.parse(data["ladder"]),
            plain(str(data["says"]), 400),
            plain(str(data["hold"])),
            tuple(_sample(each) for each in data["samples"][-SAMPLES:]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number")
    return number


def _sample(values: Any) -> Sample:
    at, load, memory, disk = (None if value is None else _number(value) for value in values)
    if at is None:
        raise ValueError("a sample without its time")
    return at, load, memory, disk
