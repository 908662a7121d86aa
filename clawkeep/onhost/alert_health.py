"""What the watcher's record says that somebody should know, and whether the watcher is alive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clawkeep.agent.report import ILL
from clawkeep.alerts import Event
from clawkeep.health import record
from clawkeep.health.causes import CAUSES
from clawkeep.health.record import Record
from clawkeep.onhost import paths, store

#: Without its job nobody waits for the watcher.
JOB = Path("/Library/LaunchDaemons/com.nanoclaw.health.plist")

MUTE_S = 180.0
"""It looks every 30 s; a look at a guest that keeps each question waiting takes a minute."""

ELSEWHERE = frozenset({"credential-refused", "guest-cut"})
"""Causes for which there is an alert of its own."""


def read() -> Record | None:
    """Return the watcher's record, None when there is none that can be read."""
    try:
        return record.parse(store.read(paths.HEALTH))
    except (OSError, ValueError):
        return None


def conditions(found: Record | None, age_s: float, source: str) -> Iterator[Event]:
    """Yield what stands; `age_s` is for how long the record has been seen not to change."""
    if JOB.exists() and age_s > MUTE_S:
        yield Event(
            "health-mute",
            "critical",
            "the watcher says nothing: what fails now, nobody sees and nobody mends",
            source=source,
        )
        return
    if found is None or found.hold:
        return  # Who works on the keep knows; a guest that is cut off is an alert of the guard's.
    for standing in found.standings.values():
        ill = standing.finding
        if ill.verdict is ILL and ill.cause not in ELSEWHERE:
            known = CAUSES[ill.cause]
            told = "\n".join(line for line in (ill.value, ill.evidence, known.fix) if line)
            key = f"health-{ill.cause}"
            yield Event(key, known.severity, known.words, told, source=source)
    if found.ladder.stopped and found.cause is not None:
        words = f"repairs have stopped: {CAUSES[found.cause.cause].words}"
        yield Event("health-stopped", "critical", words, found.says, source=source)
