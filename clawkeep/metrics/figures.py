"""From what the verbs say to metrics: times in seconds, sizes in bytes, shares from 0 to 1.

Labels are names of what is declared or granted and words of fixed sets: never an address that the
guest chose, a target of the proxy, or a text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from clawkeep.metrics.text import Figures
from clawkeep.metrics.thresholds import RESOURCES
from clawkeep.model import Keep
from clawkeep.overview.facts import (
    Data,
    checks_of,
    moment_of,
    number,
    part,
    rows,
    word,
    words,
)  # fmt: skip
from clawkeep.overview.sources import SOURCES, STATUS, Overview

VERDICTS: Final = ("well", "bad", "unknown")
ANCHORS: Final = ("in force", "closed", "differs", "absent", "off", "cut", "unknown")
UPDATES: Final = ("none", "applying", "applied", "rolling back", "by hand")
GUARDS: Final = ("open", "closed", "cut", "failed", "not running", "silent", "unknown")
CANARIES: Final = ("green", "degraded", "red", "absent")
ILL: Final = {"ill": "bad"}

_Figures = Callable[[Figures, Any, Keep], None]


def figures(keep: Keep, overview: Overview) -> str:
    """Return all metrics of an overview in Prometheus's text format.

    What could not be asked is left out; `clawkeep_source_up` says which, and `clawkeep_up` is 0
    when the host did not answer. What is older than the last ask is never given as a value of now.
    """
    made = Figures()
    up = overview.of(STATUS).data is not None and not overview.of(STATUS).error
    made.gauge("up", "Whether the host answered when it was asked last.", float(up))
    made.gauge("asked_timestamp_seconds", "When the last ask ended.", overview.ended)
    if overview.began is not None and overview.ended is not None:
        took = max(0.0, overview.ended - overview.began)
        made.gauge("ask_duration_seconds", "How long the last ask took.", took)
    for source in SOURCES:
        answer = overview.of(source.name)
        if source.absent(answer) or (source.aside and answer.asked is None):
            continue
        fresh = answer.data is not None and not answer.error
        if fresh and source.name in BY_SOURCE:
            try:
                BY_SOURCE[source.name](made, answer.data, keep)
            except Exception:  # noqa: BLE001 - JSON of another version must not cost all figures
                fresh = False
        made.gauge(
            "source_up", "Whether a source answered, and was understood.", float(fresh),
            source=source.name,
        )  # fmt: skip
    for resource in RESOURCES:
        for level in ("warning", "critical"):
            made.gauge(
                "guest_resource_threshold", "When a resource of the guest is short.",
                getattr(resource, level), resource=resource.name, level=level,
            )  # fmt: skip
    return made.text()


def _verdict(made: Figures, part_: str, verdict: str) -> None:
    said = ILL.get(verdict, verdict)
    made.state("part", "How a part of the keep is.", said, VERDICTS, part=part_)


def _status(made: Figures, data: Data, _: Keep) -> None:
    _verdict(made, "status", word(data, "verdict"))
    made.state("anchor", "pf's rules for the guest.", word(data, "anchor", "unknown"), ANCHORS)
    guard, guest = part(data, "guard"), part(data, "guest")
    made.state("guard", "The guard's word.", word(guard, "state", "unknown"), GUARDS)
    made.gauge(
        "guard_check_age_seconds", "Since the guard's last full check.", number(guard, "age_s")
    )
    made.gauge("guest_running", "Whether the guest runs.", float(word(guest, "state") == "running"))
    ssh = number(guest, "ssh_ms")
    made.gauge("guest_ssh_seconds", "How long a login to the guest takes.", _seconds(ssh))
    for door in rows(data, "doors"):
        name = word(door, "name")
        made.state(
            "door", "How a door is, by a probe from inside the guest.",
            ILL.get(word(door, "verdict"), word(door, "verdict")), VERDICTS, door=name,
        )  # fmt: skip
        made.gauge(
            "door_probe_seconds", "How long the probe of a door took.",
            _seconds(number(door, "ms")), door=name,
        )  # fmt: skip
    _left(made, part(data, "kept"))
    agent = part(data, "agent")
    if agent:
        _verdict(made, "agent", word(agent, "verdict"))
        for row in rows(agent, "rows"):
            made.state(
                "agent", "How a part of the agent is.",
                ILL.get(word(row, "verdict"), word(row, "verdict")), VERDICTS,
                part=word(row, "name"),
            )  # fmt: skip


def _left(made: Figures, kept: Data) -> None:
    """Add what is on record on the host; nothing of what was never set up there."""
    for name in ("alerts", "audit"):
        one = part(kept, name)
        if one:
            _verdict(made, name, word(one, "verdict"))
    update = part(part(kept, "update"), "facts")
    made.state("update", "An update that has not ended.", word(update, "stage", "none"), UPDATES)
    made.gauge("update_begun_timestamp_seconds", "When it was begun.", number(update, "t"))


def _bridges(made: Figures, data: Data, _: Keep) -> None:
    for row in rows(data, "bridges"):
        name, connections = word(row, "name"), row.get("connections")
        made.gauge(
            "bridge_listening", "Whether a bridge listens.", float(bool(row.get("listening"))),
            door=name,
        )  # fmt: skip
        if isinstance(connections, list):
            made.gauge("bridge_connections", "Live connections.", len(connections), door=name)
        made.counter(
            "bridge_accepted_total", "Connections accepted, as far as the bridge's log goes back.",
            number(row, "accepted"), door=name,
        )  # fmt: skip
    made.gauge("bridges_undeclared", "Bridges that nobody declared.", len(words(data, "others")))


def _day(made: Figures, data: Data, _: Keep) -> None:
    for row in rows(data, "totals"):
        labels = {"source": word(row, "source"), "service": word(row, "service")}
        for what in ("connections", "failed", "denied", "report", "open"):
            made.gauge(
                "traffic_day_connections", "Connections (pf: packets) since the host's midnight.",
                number(row, what), **labels, outcome="done" if what == "connections" else what,
            )  # fmt: skip
        for what, way in (("bytes_in", "to guest"), ("bytes_out", "from guest")):
            made.gauge(
                "traffic_day_bytes", "Bytes since the host's midnight, where they are counted.",
                number(row, what), **labels, direction=way,
            )  # fmt: skip
    made.gauge(
        "refused_day_packets", "Packets that pf refused since the host's midnight.",
        number(data, "packets_refused"),
    )  # fmt: skip


def _canary(made: Figures, data: Data, _: Keep) -> None:
    made.state("canary", "The canary's verdict.", word(data, "verdict"), CANARIES)
    made.gauge("canary_run_timestamp_seconds", "When the canary ran last.", number(data, "t"))
    made.gauge("canary_run_seconds", "How long it took.", _seconds(number(data, "ms")))
    for name in ("leaks", "failed", "unable"):
        made.gauge("canary_findings", "What it found.", len(words(data, name)), kind=name)


def _alerts(made: Figures, data: Data, _: Keep) -> None:
    standing = [word(row, "severity") for row in rows(data, "standing")]
    for severity in ("info", "warning", "critical"):
        made.gauge(
            "alerts_standing", "Alerts that stand.", standing.count(severity), severity=severity
        )
    made.gauge("alerts_silences", "Silences that last.", len(rows(data, "silences")))
    for hook in rows(data, "hooks"):
        made.gauge(
            "alert_hook_waiting", "Messages that wait.", number(hook, "waiting"),
            hook=word(hook, "name"),
        )  # fmt: skip
        made.gauge(
            "alert_hook_failures", "Failures in a row.", number(hook, "failures"),
            hook=word(hook, "name"),
        )  # fmt: skip


def _grants(made: Figures, data: Data, _: Keep) -> None:
    made.gauge("grants", "Doors that are open for a time.", len(rows(data, "grants")))


def _backup(made: Figures, data: Data, _: Keep) -> None:
    _verdict(made, "backup", _by_number(data))
    for name, what in (("good", "made"), ("tested", "restored"), ("checked", "read")):
        did = part(data, name)
        made.gauge(
            "backup_timestamp_seconds", "When a backup was last made well, restored or read.",
            number(did, "t") if did.get("ok") is True else None, what=what,
        )  # fmt: skip


def _health(made: Figures, data: Data, keep: Keep) -> None:
    _verdict(made, "health", word(data, "verdict"))
    watcher = part(data, "watcher")
    made.gauge("health_age_seconds", "Since the watcher's last look.", number(watcher, "age_s"))
    for row in rows(data, "layers"):
        made.state(
            "health_layer", "How a layer is.", ILL.get(word(row, "verdict"), word(row, "verdict")),
            VERDICTS, layer=word(row, "layer"),
        )  # fmt: skip
    last = (rows(data, "samples") or [{}])[-1]
    for resource in RESOURCES:
        sample = number(last, resource.sample)
        made.gauge(
            "guest_resource", "The last sample of a resource, in the unit of its thresholds.",
            None if sample is None else resource.value(sample, keep), resource=resource.name,
        )  # fmt: skip


def _snapshots(made: Figures, data: Data, _: Keep) -> None:
    found = rows(data, "snapshots")
    made.gauge("snapshots", "Snapshots that are there.", len(found))
    for name, words_ in (("t", "newest"), ("verified", "verified")):
        times = [t for row in found if (t := number(row, name))]
        made.gauge(
            "snapshot_timestamp_seconds", "When the newest was made, and one last seen to boot.",
            max(times, default=None), what=words_,
        )  # fmt: skip


def _snapshot(made: Figures, data: Data, _: Keep) -> None:
    _verdict(made, "snapshots", word(data, "verdict"))
    under_way = float(bool(part(part(data, "facts"), "task")))
    made.gauge("snapshot_under_way", "Whether one is made, tried or brought back.", under_way)


def _by_number(data: Data) -> str:
    verdict = number(data, "verdict")
    return "well" if verdict == 0 else "bad" if verdict == 1 else "unknown"


def _audit(made: Figures, data: Data, _: Keep) -> None:
    states = [word(row, "state") for row in checks_of(data)]
    for state in ("passed", "failed", "unknown", "accepted"):
        made.gauge("audit_checks", "Checks of the last audit.", states.count(state), state=state)
    made.gauge("audit_timestamp_seconds", "When it was.", moment_of(word(data, "at")))


def _scheduled(made: Figures, data: Data, _: Keep) -> None:
    """Add what the host knows of audits, whoever made them."""
    known = part(data, "facts")
    last, schedule = part(known, "last"), part(known, "schedule")
    for name in ("passed", "failed", "unknown", "accepted"):
        made.gauge(
            "audit_reported_checks", "Checks of the last audit that the host was told of.",
            number(last, name), state=name,
        )  # fmt: skip
    made.gauge(
        "audit_reported_timestamp_seconds", "When the host was told of an audit.", number(last, "t")
    )
    made.gauge("audit_period_seconds", "How often one is due.", number(schedule, "every_s"))
    late = float(word(known, "overdue") == "True")
    made.gauge("audit_overdue", "Whether the next one is late.", late if schedule else None)


def _doctor(made: Figures, data: Data, _: Keep) -> None:
    verdicts = [word(row, "verdict") for row in rows(data, "rows")]
    for verdict in ("ok", "bad", "unknown", "needs a Mac"):
        made.gauge("doctor_rows", "Rows of the doctor.", verdicts.count(verdict), verdict=verdict)


def _skills(made: Figures, data: Data, _: Keep) -> None:
    for row in rows(data, "skills"):
        made.state(
            "skill", "Whether a skill is there and proved.",
            ILL.get(word(row, "verdict"), word(row, "verdict")), VERDICTS, skill=word(row, "name"),
        )  # fmt: skip


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


BY_SOURCE: Final[dict[str, _Figures]] = {
    STATUS: _status, "bridges": _bridges, "day": _day, "canary": _canary, "alerts": _alerts,
    "grants": _grants, "backup": _backup, "health": _health, "snapshots": _snapshots,
    "snapshot": _snapshot,
    "audit": _audit, "scheduled": _scheduled, "doctor": _doctor, "skills": _skills,
}  # fmt: skip
