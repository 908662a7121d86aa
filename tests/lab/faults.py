"""Faults that are planted in a keep, and how its watcher takes them: the rows of the fault matrix.

`CLAWKEEP_FAULTS=FILE` has what was measured added to a JSON file, from which
`python -m bench.reliability` writes the table of docs/explain/reliability.md.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clawkeep.health import record
from clawkeep.health.causes import CAUSES
from clawkeep.health.record import Record
from tests.lab.agent_keep import JOB, ROOT, AgentKeep
from tests.lab.guarding import events, guest_is_up, read, wait
from tests.lab.keep import GUEST

HEALTH = "/opt/clawkeep/var/health.json"
WATCHER = "com.nanoclaw.health"
VM = "gui/501/com.nanoclaw.vm"
RESULTS = "CLAWKEEP_FAULTS"

Plant = str | Callable[[AgentKeep], object]


@dataclass(frozen=True)
class Fault:
    """One row. `plant` and `undo` are scripts for the guest (`host: …` for the host), or functions.

    `cause` is what it must be called, `repair` the repairs that must be made for it, in order;
    without any, `undo` is done once it was detected and no repair may follow. `within_s` is for
    detection and `mended_s` for the repair. `grown`: of a NanoClaw that has run for a minute, as
    one that was just started may be silent. `by`: somebody else mends it, before our turn comes.
    """

    name: str
    plant: Plant
    cause: str
    repair: tuple[str, ...] = ()
    undo: Plant = ""
    within_s: float = 90
    mended_s: float = 180
    grown: bool = False
    by: str = ""


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


def suffer(agent: AgentKeep, fault: Fault) -> dict[str, Any]:
    """Plant a fault in a keep that is well, and see it detected and mended; return the figures."""
    settle(agent)
    if fault.grown:
        wait("a NanoClaw that is no longer young", lambda: grown(agent), 120)
    before, noted = messages(agent), len(events(agent.built))
    began = time.time()
    do(agent, fault.plant)
    wait(f"detection of {fault.name}", lambda: named(agent) == fault.cause, fault.within_s)
    detected = time.time() - began
    if not (fault.repair or fault.by):
        time.sleep(35)  # One more look: now would be the time for a repair.
        do(agent, fault.undo)
    wait(f"the end of {fault.name}", lambda: well(agent), fault.mended_s)
    mended = time.time() - began
    repairs = [e for e in events(agent.built)[noted:] if e["kind"] == "repair"]
    assert tuple(e["text"].partition(":")[0] for e in repairs) == fault.repair
    assert all(e["cause"] == fault.cause for e in repairs)
    wait("the guest", lambda: guest_is_up(agent.built), 60)
    row = {
        "fault": fault.name,
        "cause": CAUSES[fault.cause].words,
        "detected_s": round(detected, 1),
        "repair": ", ".join(fault.repair) or fault.by or "none: said, and left to the operator",
        "mended_s": round(mended, 1) if fault.repair or fault.by else None,
        "lost": before - messages(agent),
    }
    assert row["lost"] == 0
    keep_row(row)
    return row


def named(agent: AgentKeep) -> str:
    cause = standing(agent).cause
    return cause.cause if cause else ""


def keep_row(row: dict[str, Any]) -> None:
    """Add a row to the file of results, where one is wanted."""
    if not (name := os.environ.get(RESULTS)):
        return
    path = Path(name)
    data = json.loads(path.read_text()) if path.exists() else {"rows": {}}
    data["when"] = time.strftime("%Y-%m-%d", time.gmtime())
    data["cores"] = os.cpu_count()
    data["rows"][row["fault"]] = row
    path.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")


#: All that runs in the guest, as a hypervisor that stands still leaves it: it answers nothing.
FREEZE = f"""host: f=/private/var/run/lab-guests/{GUEST}.json
p=$(sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p' $f)
n=$(readlink /proc/$p/ns/pid)
for d in /proc/[0-9]*; do
  [ "$(readlink $d/ns/pid 2>/dev/null)" = "$n" ] && kill -STOP "${{d#/proc/}}"
done; true"""

WEDGE = (
    "ifconfig en0 alias 169.254.7.7 netmask 255.255.0.0;"
    " ifconfig en0 -alias $(ipconfig getifaddr en0 | grep -v 169.254)"
)

NANOCLAW = "$(launchctl print gui/$(id -u claw)/com.nanoclaw | sed -n 's/^.pid = //p')"
KEYCHAIN = "/private/var/run/keychain-unlocked-501"
TART_STOP = f"sudo -u operator -H /opt/homebrew/bin/tart stop {GUEST}"
DATA = "/System/Volumes/Data"

HUNG = Fault(
    "NanoClaw hangs (SIGSTOP)", f"kill -STOP {NANOCLAW}", "loop-hung", ("process",), grown=True
)
FAULTS = (
    Fault("NanoClaw's job is booted out", f"launchctl bootout {JOB}", "job-missing", ("job",)),
    Fault(
        "sshd is gone from the guest",
        "launchctl bootout system/com.openssh.sshd",
        "sshd-dead",
        undo="launchctl bootstrap system /System/Library/LaunchDaemons/ssh.plist",
        within_s=150,
    ),
    Fault(
        "softnet loses its SUID bit", "host: chmod u-s /opt/clawkeep/libexec/softnet", "suid-lost",
        undo="host: chmod u+s /opt/clawkeep/libexec/softnet",
    ),
    Fault(
        "the login keychain is locked when the guest starts",
        f"host: rm {KEYCHAIN}; {TART_STOP}",
        "keychain-locked",
        undo=f"host: touch {KEYCHAIN}; chown operator {KEYCHAIN}",
        mended_s=240,
    ),
    Fault(
        "the guest has a 169.254 address (vmnet's wedge)", WEDGE, "vmnet-wedge", ("guest",),
        within_s=150, mended_s=400,
    ),
    Fault(
        "the guest is frozen", FREEZE, "guest-frozen", by="guest, by the guard", within_s=300,
        mended_s=600,
    ),
)  # fmt: skip
