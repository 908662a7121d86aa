"""From what the guest says of itself to findings. Pure; all of it may be a lie.

What `clawkeep agent status` judges is judged by the same code; here its rows get names for what is
wrong, and NanoClaw's own wait after crashes (its circuit breaker) counts as what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from clawkeep.agent.facts import Facts, moment, number, objects, text
from clawkeep.agent.judge import rows
from clawkeep.agent.report import ILL, UNKNOWN, WELL, Row
from clawkeep.health.finding import Finding
from clawkeep.health.plan import Watched

AGENT_LAYERS: Final = ("job", "process", "loop", "channel", "credential")

BREAKER_S: Final = (0, 0, 10, 30, 120, 300, 900)
"""Seconds that NanoClaw waits at its first, second, … start within an hour that follows a crash.
Source: reference/nanoclaw.md §1.10."""

YOUNG_S: Final = 60.0
"""A NanoClaw that has just been started connects, builds and is silent."""

CRASHES: Final = 5
"""Starts in ten minutes that are no accident: launchd's throttle allows twenty."""

DISK_FREE: Final = 512 << 20
DISK_PERCENT: Final = 2.0
MEMORY_PERCENT: Final = 4
LOAD_PER_CPU: Final = 4.0


def unseen(agent: Watched | None, why: str) -> Iterator[Finding]:
    """Yield the layers inside the guest when it was not asked, or did not answer."""
    layers = (*(AGENT_LAYERS if agent else ()), "disk", "memory", "load")
    return (Finding(layer, UNKNOWN, "not seen", why) for layer in layers)


def findings(facts: Facts, agent: Watched | None, starts: int) -> Iterator[Finding]:
    """Yield the layers inside the guest, in order. `starts`: NanoClaw's, in ten minutes."""
    if agent is not None:
        yield from _agent(facts, agent, starts)
    machine = facts.part("machine")
    if machine is None:
        yield from unseen(None, "the guest did not say")
        return
    yield _disk(machine)
    yield _memory(machine)
    yield _load(machine)


def _agent(facts: Facts, agent: Watched, starts: int) -> Iterator[Finding]:
    if waits := waiting(facts):
        words = f"NanoClaw's circuit breaker: it goes on in {waits:.0f} s"
        yield from (Finding(layer, UNKNOWN, "waits", words) for layer in AGENT_LAYERS)
        return
    found = {row.name: row for row in rows(facts, agent.declared)}
    job = _job(found["job"], facts, starts)
    yield job
    if job.verdict is ILL:
        why = "no NanoClaw of launchd's runs"
        yield from (Finding(layer, UNKNOWN, "not seen", why) for layer in AGENT_LAYERS[1:4])
    else:
        yield _process(found["process"], found["instance"])
        young = _age(facts) < YOUNG_S
        yield _settled(_named("loop", found["loop"], "loop-hung"), young=young)
        channels = [row for name, row in found.items() if name.startswith("channel ")]
        yield _settled(_channel(channels), young=young)
    yield _named("credential", found["credential"], "credential-refused")


def waiting(facts: Facts) -> float:
    """Return for how many seconds NanoClaw still waits by its circuit breaker, 0 if it does not.

    Never for longer than its longest wait, whatever the guest says.
    """
    found = facts.part("breaker") or {}
    attempt, began = number(found, "attempt"), moment(found, "t")
    if not attempt or began is None or began > facts.now + 5:
        return 0.0
    wait = BREAKER_S[min(attempt, len(BREAKER_S)) - 1]
    return max(0.0, min(began + wait - facts.now, float(BREAKER_S[-1])))


def _job(row: Row, facts: Facts, starts: int) -> Finding:
    if row.verdict is ILL and row.value == "not loaded":
        return _named("job", row, "job-missing")
    if starts >= CRASHES:
        code = text(facts.part("job") or {}, "last_exit_code")
        words = f"{starts} starts in 10 min, last exit code {code or 'unknown'}"
        return Finding("job", ILL, row.value, words, "crash-loop")
    return _named("job", row, "job-idle")


def _process(process: Row, instance: Row) -> Finding:
    if instance.verdict is ILL and process.verdict is not ILL:
        return _named("process", instance, "process-several")
    if process.verdict is UNKNOWN and "started just now" in process.evidence:
        return Finding("process", WELL, process.value, "started just now")
    return _named("process", process, "process-foreign")


def _channel(channels: Sequence[Row]) -> Finding:
    """Sum up the channels: the first that is ill, or unknown, stands for them."""
    if not channels:
        return Finding("channel", WELL, "none is declared")
    for verdict in (ILL, UNKNOWN):
        for row in channels:
            if row.verdict is verdict:
                name = row.name.removeprefix("channel ")
                cause = "socket-dead" if name == "local" else "channel-lost"
                found = _named("channel", row, cause)
                return Finding(
                    "channel", verdict, f"{name}: {row.value}", row.evidence, found.cause
                )
    names = ", ".join(row.name.removeprefix("channel ") for row in channels)
    return Finding("channel", WELL, "connected", names)


def _named(layer: str, row: Row, cause: str) -> Finding:
    return Finding(layer, row.verdict, row.value, row.evidence, cause if row.verdict is ILL else "")


def _settled(found: Finding, *, young: bool) -> Finding:
    if found.verdict is ILL and young:
        return Finding(found.layer, UNKNOWN, found.value, "NanoClaw was started just now")
    return found


def _age(facts: Facts) -> float:
    pid = text(facts.part("job") or {}, "pid")
    ages = [
        number(process, "age_s") or 0
        for process in objects(facts.raw("hosts"))
        if str(number(process, "pid")) == pid
    ]
    return float(ages[0]) if ages else 0.0


def _disk(machine: Mapping[str, Any]) -> Finding:
    worst: tuple[float, str] | None = None
    for disk in objects(machine.get("disks")):
        free, total = number(disk, "free"), number(disk, "total")
        if free is None or not total:
            continue
        shown = f"{free / 1e9:.1f} GB free of {total / 1e9:.0f}"
        percent = 100 * free / total
        if percent < DISK_PERCENT or free < min(DISK_FREE, total / 10):
            return Finding("disk", ILL, shown, text(disk, "path"), "guest-disk-full")
        if worst is None or percent < worst[0]:
            worst = percent, shown
    if worst is None:
        return Finding("disk", UNKNOWN, "not seen", "the guest did not say")
    return Finding("disk", WELL, worst[1])


def _memory(machine: Mapping[str, Any]) -> Finding:
    free = number(machine, "memory_free")
    if free is None:
        return Finding("memory", UNKNOWN, "not seen", "memory_pressure did not say")
    if free < MEMORY_PERCENT:
        return Finding("memory", ILL, f"{free} % free", "memory_pressure", "memory-short")
    return Finding("memory", WELL, f"{free} % free")


def _load(machine: Mapping[str, Any]) -> Finding:
    load, cpus = moment(machine, "load"), number(machine, "cpus")
    if load is None or not cpus:
        return Finding("load", UNKNOWN, "not seen", "the guest did not say")
    shown = f"{load:.1f} on {cpus} cores"
    if load > LOAD_PER_CPU * cpus:
        return Finding("load", ILL, shown, "mean of 5 min", "overloaded")
    return Finding("load", WELL, shown)
