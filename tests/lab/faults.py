"""How a fault that is planted in a keep is taken by its watcher: seen, named, mended, nothing lost.

The faults themselves are in `planted`; what was measured goes to `tests.recording`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from clawkeep.health import record
from clawkeep.health.causes import CAUSES
from clawkeep.health.record import Record
from tests.lab.agent_keep import ROOT, AgentKeep
from tests.lab.guarding import events, guest_is_up, read, wait
from tests.recording import Faults

HEALTH = "/opt/clawkeep/var/health.json"
WATCHER = "com.nanoclaw.health"

Plant = str | Callable[[AgentKeep], object]


@dataclass(frozen=True)
class Fault:
    """One row. `plant` and `undo` are scripts for the guest (`host: …` for the host), or functions.

    `of` is its row of the matrix, `cause` what it must be called, `names` what its evidence must
    hold and the table then shows. `repair` are the repairs that must be made for it, in order;
    without any, `undo` is done once it was detected and no repair may follow. `within_s` is for
    detection and `mended_s` for the repair. `grown`: of a NanoClaw that has run for a minute, as
    one that was just started may be silent. `by`: somebody else mends it, before our turn comes.
    `before` and `after` are around all of it: what the fault needs, and its removal.
    """

    of: str
    name: str
    plant: Plant
    cause: str
    repair: tuple[str, ...] = ()
    undo: Plant = ""
    within_s: float = 90
    mended_s: float = 180
    grown: bool = False
    by: str = ""
    names: str = ""
    before: Plant = ""
    after: Plant = ""


def standing(agent: AgentKeep) -> Record:
    """Return what the watcher has on record."""
    return record.parse(read(agent.built, HEALTH)) or Record()


def settle(agent: AgentKeep) -> None:
    """Have a watcher that has done nothing yet, no converge on record, and a keep that is well."""
    agent.built.host("touch -t 202001010000 /opt/clawkeep/journal.jsonl")
    for _ in range(2):
        agent.built.host(f"rm -f {HEALTH}; launchctl kill SIGKILL system/{WATCHER}")
        wait("a keep that is well", lambda: well(agent), 240)
        if not standing(agent).ladder.tried:
            return
    raise AssertionError("the keep does not stay well")


def well(agent: AgentKeep) -> bool:
    """Tell whether the watcher sees nothing wrong and has seen NanoClaw's loop turn."""
    found = standing(agent)
    loop = found.standings.get("loop")
    return found.cause is None and loop is not None and loop.finding.verdict == 0


def grown(agent: AgentKeep) -> bool:
    found = standing(agent).standings.get("process")
    return found is not None and "started just now" not in found.last.evidence


def do(agent: AgentKeep, what: Plant) -> None:
    if callable(what):
        what(agent)
    elif what.startswith("host: "):
        done = agent.built.host(what.removeprefix("host: "))
        assert done.returncode == 0, done.stderr
    elif what:
        agent.guest(what)


def messages(agent: AgentKeep) -> int:
    """Return how many messages NanoClaw's database holds."""
    database = f"file:{ROOT}/state/store/messages.db?mode=ro"
    query = f"import sqlite3; d=sqlite3.connect('{database}', uri=True)"
    count = "print(d.execute('SELECT count(*) FROM messages').fetchone()[0])"
    return int(agent.guest(f'/usr/bin/python3 -I -c "{query}; {count}"') or -1)


def suffer(agent: AgentKeep, fault: Fault, faults: Faults) -> None:
    """Plant a fault in a keep that is well, see it detected and mended, and tell what was seen."""
    do(agent, fault.before)
    try:
        _suffer(agent, fault, faults)
    finally:
        do(agent, fault.after)


def _suffer(agent: AgentKeep, fault: Fault, faults: Faults) -> None:
    settle(agent)
    if fault.grown:
        wait("a NanoClaw that is no longer young", lambda: grown(agent), 120)
    before, noted = messages(agent), len(events(agent.built))
    began = time.time()
    do(agent, fault.plant)
    wait(f"detection of {fault.name}", lambda: named(agent) == fault.cause, fault.within_s)
    detected = time.time() - began
    found = standing(agent).cause
    evidence = found.evidence if found else ""
    assert fault.names in evidence
    if not (fault.repair or fault.by):
        time.sleep(35)  # One more look: now would be the time for a repair.
        do(agent, fault.undo)
    wait(f"the end of {fault.name}", lambda: well(agent), fault.mended_s)
    mended = time.time() - began
    repairs = [e for e in events(agent.built)[noted:] if e["kind"] == "repair"]
    assert tuple(e["text"].partition(":")[0] for e in repairs) == fault.repair
    assert all(e["cause"] == fault.cause for e in repairs)
    wait("the guest", lambda: guest_is_up(agent.built), 60)
    lost = max(0, before - messages(agent))
    assert lost == 0
    words = CAUSES[fault.cause].words
    faults.show(
        fault.of,
        fault.name,
        f"{words} ({evidence})" if fault.names else words,
        ", ".join(fault.repair) or fault.by or "the operator",
        detected_s=detected,
        mended_s=mended if fault.repair or fault.by else None,
        lost=lost,
    )


def named(agent: AgentKeep) -> str:
    """Return the cause that the watcher names, "" for none."""
    cause = standing(agent).cause
    return cause.cause if cause else ""
