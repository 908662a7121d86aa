"""What lies in the queue: alerts, messages, silences; and whom an alert is told to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from clawkeep.alerts.event import Event, rank

COLUMNS = "id, token, hook, key, kind, severity, text, evidence, since, count, created"


@dataclass(frozen=True, slots=True)
class Route:
    """What a hook wants to hear: from which severity on, how often again, and when it is over."""

    name: str
    least: str = "warning"
    repeat_s: float = 21600.0
    recovery: bool = True

    def due(self, severity: int, told: tuple[str, float] | None, now: float) -> str:
        """Return what kind of message is due, "" when none is. `told`: as what, and when."""
        if told is None or severity > rank(told[0]):
            return "raise"
        # A clock that was far ahead when it was told must not keep it quiet for ever.
        passed = now - told[1]
        return "repeat" if passed >= self.repeat_s or passed < -self.repeat_s else ""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: since when it stands, when it was last raised (or cleared), how often."""

    key: str
    severity: str
    text: str
    evidence: str
    source: str
    since: float
    last: float
    count: int
    active: bool

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Alert:
        """Return the alert of a row of the table."""
        return replace(cls(*row), active=bool(row[-1]))

    @property
    def rank(self) -> int:
        """Its severity as a number."""
        return rank(self.severity)


@dataclass(frozen=True, slots=True)
class Message:
    """One message for one hook.

    `kind` is `raise`, `repeat`, `recovery` or `test`. `token` is the same however often it is
    sent; `dropped` is how many were dropped before it.
    """

    id: int
    token: str
    hook: str
    key: str
    kind: str
    severity: str
    text: str
    evidence: str
    since: float
    count: int
    created: float
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody is told of the alert `key` (`*`: of any) until `until`."""

    key: str
    until: float
    who: str
    reason: str


def as_severe(event: Event, severity: str) -> Event:
    """Return the event with this severity."""
    return replace(event, severity=severity)
