"""What the host's files say that somebody should know: conditions that stand, and what happened.

It only reads what the guard, the canary and the other verbs leave behind anyway, so nothing that
enforces waits for an alert. A file's age is told by when it was last seen to change, by a clock
that no one can set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clawkeep.alerts import Event
from clawkeep.health.record import Record as Health
from clawkeep.onhost import (
    alert_health,
    audit,
    backup_state,
    clock,
    paths,
    snapshot_state,
    store,
    update,
    world,
)
from clawkeep.onhost.evidence import CANARY_JOB
from clawkeep.onhost.situation import Cut, Record, cut, recorded
from clawkeep.onhost.watch import mark
from clawkeep.policy import PolicyError, Window

SOURCE = "watch"

GUARD_MUTE_S = 90.0
"""The guard notes each full check, every 30 s at the latest."""

CANARY_MUTE_S = 180.0
FAILED_S = 5.0
"""What is mended within so long is an event, not an alert."""

OVERDUE = frozenset({"late", "unverified", "untested"})
OVERDUE_S = 900.0
"""What is overdue is no alert for so long, awake: after a sleep it is made up for by itself."""

ONCE: dict[str, tuple[str, str]] = {
    "stopped": ("critical", "the guest was stopped"),
    "restarted": ("warning", "restarted"),
    "forwarding": ("warning", "forwarding"),
    "refused": ("warning", "refused"),
    "repair": ("warning", "the watcher repaired"),
    "bridge": ("warning", "a bridge"),
    "reopened": ("info", "reopened"),
    "granted": ("info", "a door was opened for a time"),
    "expired": ("info", "a grant has ended"),
    "revoked": ("info", "a grant was revoked"),
}
"""Events that have no end: kind -> severity and words."""

REPAIRED = "pf-repaired"


@dataclass(frozen=True, slots=True)
class Sight:
    """What was read at one moment. Ages are in seconds, of files that were seen to change."""

    now: float
    record: Record
    cut: Cut | None
    window: Window | None
    canary: dict[str, Any]
    guard_age: float
    canary_age: float
    has_canary: bool
    health: Health | None = None
    health_age: float = 0.0
    snapshots: tuple[tuple[str, str], ...] = ()
    backups: tuple[tuple[str, str], ...] = ()
    updates: tuple[tuple[str, str], ...] = ()
    audits: tuple[tuple[str, str, str, str], ...] = ()


@dataclass
class Eyes:
    """Reads, and remembers when each file was last seen to change."""

    _seen: dict[Path, tuple[Any, float]] = field(default_factory=dict)
    _overdue: dict[str, float] = field(default_factory=dict)

    def look(self, ticks: float) -> Sight:
        """Read all of it; `ticks` are seconds of a monotonic clock. Never raises."""
        try:
            window = world.window()
        except (PolicyError, OSError, ValueError):
            window = None  # The guard says so among its problems.
        return Sight(
            clock.now(),
            recorded(),
            cut(),
            window,
            _canary(),
            self._age(paths.GUARD, ticks),
            self._age(paths.CANARY, ticks),
            CANARY_JOB.exists(),
            alert_health.read(),
            self._age(paths.HEALTH, ticks),
            self._patient("snapshot", snapshot_state.problems(), ticks),
            self._patient("backup", backup_state.problems(), ticks),
            update.problems(),
            audit.problems(),
        )

    def _patient(
        self, what: str, problems: tuple[tuple[str, str], ...], ticks: float
    ) -> tuple[tuple[str, str], ...]:
        """Return the problems without what is overdue only since the Mac woke: it is being done."""
        found = []
        for key, text in problems:
            since = self._overdue.setdefault(f"{what}-{key}", ticks)
            if key not in OVERDUE or ticks - since >= OVERDUE_S:
                found.append((key, text))
        there = {f"{what}-{key}" for key, _ in problems}
        for name in [n for n in self._overdue if n.startswith(f"{what}-") and n not in there]:
            del self._overdue[name]
        return tuple(found)

    def _age(self, path: Path, ticks: float) -> float:
        there = mark(path)
        known = self._seen.get(path)
        if known is None or known[0] != there:
            self._seen[path] = known = there, ticks
        return ticks - known[1]


def _canary() -> dict[str, Any]:
    try:
        data = json.loads(store.read(paths.CANARY) or "{}")
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def conditions(sight: Sight) -> Iterator[Event]:
    """Yield what is not as it should be at this moment."""
    record = sight.record
    if sight.guard_age > GUARD_MUTE_S:
        yield _event(
            "guard-mute",
            "critical",
            "the guard says nothing: what it last proved stands, and nobody watches it",
        )
    if record.state == "failed" and sight.now - record.since >= FAILED_S:
        yield _event(
            "guard-failed",
            "critical",
            "isolation cannot be enforced or proved; all is closed",
            record.why,
        )
    if record.state == "cut":
        yield _event("guard-cut", "critical", "the guest is cut off", record.why)
    elif sight.cut is not None and sight.cut.latched:
        yield _event(
            "guard-cut",
            "critical",
            "the guest stays cut off until: clawkeep enforce --reopen",
            sight.cut.why,
        )
    if record.problems:
        yield _event("keep-damaged", "warning", record.problems[0], "\n".join(record.problems[1:]))
    yield from _of_canary(sight)
    yield from alert_health.conditions(sight.health, sight.health_age, SOURCE)
    for what, found in (
        ("snapshot", sight.snapshots),
        ("backup", sight.backups),
        ("update", sight.updates),
    ):
        for key, text in found:
            yield _event(f"{what}-{key}", "warning", text)
    for key, severity, text, evidence in sight.audits:
        yield _event(f"audit-{key}", severity, text, evidence)
    if sight.window is not None and sight.now < sight.window.until:
        yield _event(
            "window",
            "info",
            f"the provisioning window is open, by {sight.window.who}",
            ", ".join(sight.window.domains),
        )


def _of_canary(sight: Sight) -> Iterator[Event]:
    said = {name: _texts(sight.canary.get(name)) for name in ("leaks", "unable", "failed")}
    verdict = sight.canary.get("verdict")
    if said["leaks"]:
        yield _event(
            "canary-leak",
            "critical",
            f"the guest got out: {said['leaks'][0]}",
            "\n".join(said["leaks"][1:]),
        )
    elif verdict == "red":
        yield _event(
            "canary-red",
            "warning",
            "the canary cannot tell whether the guest is held",
            "\n".join(said["unable"]),
        )
    elif verdict == "degraded":
        yield _event(
            "canary-degraded",
            "warning",
            "a declared service does not answer",
            "\n".join(said["failed"]),
        )
    open_for = sight.now - sight.record.since if sight.record.state == "open" else 0.0
    if sight.has_canary and min(open_for, sight.canary_age) > CANARY_MUTE_S:
        yield _event(
            "canary-mute",
            "critical",
            "the canary says nothing: whether the guest is held, nobody tries",
        )


def _texts(value: object) -> list[str]:
    found = value if isinstance(value, list) else []
    return [each if isinstance(each, str) else json.dumps(each) for each in found][:10]


def notice(line: bytes) -> Event | None:
    """Return the event that a line of events.jsonl is, None for one that is no alert."""
    try:
        data = json.loads(line)
        kind, text, at = str(data["kind"]), str(data["text"]), str(data["t"])
    except (ValueError, TypeError, KeyError):
        return None
    if kind == "repaired":
        return _event(
            REPAIRED, "warning", f"isolation was lost and brought back: {text}", f"at {at}"
        )
    if kind not in ONCE:
        return None
    severity, words = ONCE[kind]
    details = [f"{name}: {data[name]}" for name in ("who", "reason") if data.get(name)]
    # Read twice, it is the same event.
    key = f"{kind}:{hashlib.sha256(line).hexdigest()[:16]}"
    return Event(
        key,
        severity,
        f"{words}: {text}",
        "\n".join([f"at {at}", *details]),
        once=True,
        source=SOURCE,
    )


def _event(key: str, severity: str, text: str, evidence: str = "") -> Event:
    return Event(key, severity, text, evidence, source=SOURCE)
