"""What `clawkeep status` says: data, its verdict, and its two forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from clawkeep.agent.report import Report as AgentReport
from clawkeep.health.report import Report as HealthReport
from clawkeep.status.kept import Kept
from clawkeep.verdict import Verdict

BROKEN = frozenset({"absent", "closed", "cut", "differs", "off"})
GUARDING = frozenset({"open", "closed"})
SHORT = {"alerts": "ALERTS", "snapshots": "SNAP", "backup": "BACKUP", "update": "UPDATE",
         "audit": "AUDIT"}  # fmt: skip


@dataclass(frozen=True)
class GuestState:
    """The guest, as its host and its sshd show it."""

    name: str
    state: str = "unknown"
    address: str | None = None
    resolver: str | None = None
    ssh_ms: int | None = None
    host_key: str = "unknown"
    error: str | None = None

    @property
    def well(self) -> bool:
        """Tell whether the guest runs and its own sshd answered."""
        return self.state == "running" and self.ssh_ms is not None


@dataclass(frozen=True)
class GuardState:
    """The guard: what it says it enforces, and whether it still says anything.

    `state` is the guard's own word (`open`, `closed`, `cut`, `failed`), or `not running`, `silent`
    (no full check for long), `unknown`. `age_s` are the seconds since its last full check.
    """

    state: str = "unknown"
    age_s: int | None = None
    why: str = ""
    last_event: str = ""
    proof: str = ""


@dataclass(frozen=True)
class Door:
    """One service: its bridge on the host, and what a real probe saw from inside the guest.

    `probe` is True or False, or None when the probe could not run; that is never a pass.
    """

    name: str
    listen: str
    target: str
    job: str = "unknown"
    listening: bool | None = None
    probe: bool | None = None
    evidence: str = ""
    ms: int | None = None

    @property
    def verdict(self) -> Verdict:
        """Well only when the bridge runs, listens, and the probe saw the real service."""
        if self.probe and self.job == "running" and self.listening:
            return Verdict.WELL
        if self.probe is False or self.listening is False:
            return Verdict.BAD
        if self.job in {"absent", "undeclared"}:
            return Verdict.BAD
        return Verdict.UNKNOWN


@dataclass(frozen=True)
class Report:
    """The whole status.

    `anchor` is `in force` (exactly the declared rules), `closed` (none of the doors), `differs`,
    `absent`, `off` (pf disabled, or the anchor not evaluated), `cut` (the guard has cut the guest
    off) or `unknown`. `granted` are the doors that are open by a grant. `agent` is None where no
    agent is declared, `health` where the host did not say what its watcher has on record. `kept` is
    what else is on record there: alerts, snapshots, backups, updates, audits.
    """

    host: str
    guest: GuestState
    doors: tuple[Door, ...]
    anchor: str = "unknown"
    host_error: str | None = None
    guard: GuardState = GuardState()
    granted: tuple[str, ...] = ()
    agent: AgentReport | None = None
    health: HealthReport | None = None
    kept: tuple[Kept, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst that is certain comes first; ignorance is never well."""
        if self.host_error:
            return Verdict.UNKNOWN
        found = {self.working, *(each.verdict for each in self.kept)}
        return next(v for v in (Verdict.BAD, Verdict.UNKNOWN, Verdict.WELL) if v in found)

    @property
    def working(self) -> Verdict:
        """How the keep works at this moment, whatever was made, tested or told of it before."""
        if self.host_error:
            return Verdict.UNKNOWN
        verdicts = [door.verdict for door in self.doors]
        if self.agent:
            verdicts.append(self.agent.verdict)
        if self.guest.state in {"stopped", "absent"} or self.anchor in BROKEN:
            return Verdict.BAD
        if self.guard.state not in GUARDING | {"unknown"}:
            return Verdict.BAD
        # What the watcher cannot tell, others here have just seen for themselves.
        if Verdict.BAD in verdicts or (self.health and self.health.verdict is Verdict.BAD):
            return Verdict.BAD
        known = self.anchor == "in force" and self.guard.state in GUARDING
        if not self.guest.well or Verdict.UNKNOWN in verdicts or not known:
            return Verdict.UNKNOWN
        return Verdict.WELL

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data; `verdict` is a word."""
        data = asdict(self)
        data["verdict"] = self.verdict.name.lower()
        data["agent"] = self.agent.as_json() if self.agent else None
        data["health"] = self.health.as_json() if self.health else None
        data["kept"] = {each.name: each.as_json() for each in self.kept}
        for row, door in zip(data["doors"], self.doors, strict=True):
            row["verdict"] = door.verdict.name.lower()
        return data

    def lines(self) -> Iterator[str]:
        """Yield the lines for a terminal: one per thing, in stable columns."""
        guest = self.guest
        yield _row("HOST", self.host, self.host_error or "reached")
        yield _row("ANCHOR", "com.apple/000.clawkeep", self.anchor)
        guard = self.guard
        age = "" if guard.age_s is None else f", last check {guard.age_s} s ago"
        why = f": {guard.why}" if guard.why else ""
        yield _row("GUARD", "com.nanoclaw.guard", f"{guard.state}{age}{why}")
        if guard.last_event:
            yield _row("EVENT", "the last one", guard.last_event)
        ssh = f"ssh {guest.ssh_ms} ms, host key {guest.host_key}" if guest.well else guest.error
        where = f"{guest.address} by {guest.resolver}" if guest.address else "no address"
        yield _row("GUEST", guest.name, f"{guest.state}, {where}, {ssh or 'not entered'}")
        if self.agent:
            yield _row("AGENT", self.agent.profile, self.agent.summary())
        if self.health:
            yield _row("HEALTH", "com.nanoclaw.health", self.health.summary)
        for each in self.kept:
            yield _row(SHORT[each.name], each.label, each.text)
        for grant in self.granted:
            yield _row("GRANT", grant.split()[0], grant.partition(" ")[2])
        width = max((len(f"{d.listen} -> {d.target}") for d in self.doors), default=0)
        for door in self.doors:
            path = f"{door.listen} -> {door.target}".ljust(width)
            ms = f" {door.ms} ms" if door.ms is not None else ""
            yield _row(
                "DOOR", door.name, f"{path}  {word_of(door):5} {door.evidence or '-'}{ms}".rstrip()
            )


def _row(kind: str, name: str, text: str) -> str:
    return f"{kind:7} {name:24} {text}"


def word_of(door: Door) -> str:
    """Return how a door is, in one short word."""
    if door.verdict is Verdict.WELL:
        return "ok"
    if door.job in {"absent", "undeclared"}:
        return "down" if door.job == "absent" else "extra"
    if door.listening is False:
        return "deaf"
    return "bad" if door.probe is False else "?"
