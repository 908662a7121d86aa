"""`clawkeep health run`: looks at the keep every half minute, says what is wrong, and mends it.

Root's own daemon. It takes no part in enforcement: the guard decides whether the guest may run, and
while it has cut the guest off, a converge is at work, or somebody stops the guest on purpose,
nothing is repaired. What it finds is in `paths.HEALTH`, written whole before each repair: killed at
any moment, it goes on where it was and does no repair twice.

Something new is looked at again after a few seconds, so that a fault is known within a minute and
a hiccup is none. SIGUSR1 asks for a look now.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from clawkeep.agent.facts import Facts, moment, number, objects
from clawkeep.agent.report import ILL
from clawkeep.health import judge_guest, judge_host, record
from clawkeep.health.causes import CAUSES, GUEST, HOLD, JOB, PROCESS
from clawkeep.health.finding import Finding, pending, settle
from clawkeep.health.judge_host import Seen
from clawkeep.health.ladder import decide
from clawkeep.health.plan import Plan, PlanError, parse
from clawkeep.health.record import SAMPLES, Record, Sample
from clawkeep.onhost import (
    clock,
    health_look,
    health_repair,
    maintenance,
    paths,
    situation,
    store,
    update,
    world,
)
from clawkeep.onhost.health_doors import Doors
from clawkeep.onhost.health_look import Eyes
from clawkeep.policy import Policy, PolicyError

LOCK: Final = paths.RUN / "health.lock"
JOURNAL: Final = paths.ROOT / "journal.jsonl"

EVERY_S: Final = 30.0
SOON_S: Final = 5.0
"""Until the next look while something differs from what is believed."""

AT_WORK_S: Final = 120.0
"""A converge that changes something writes to the journal; it is over after so long a silence."""


def inside(policy: Policy, plan: Plan) -> tuple[Facts | None, str]:
    """Ask the guest."""
    return health_look.inside(policy, plan)


@dataclass
class Watcher:
    """What is known between two looks; how it looks, acts and reads the clock can be replaced."""

    eyes: Eyes = field(default_factory=Eyes)
    ask: Callable[[Policy, Plan], tuple[Facts | None, str]] = inside
    act: Callable[[str, Policy, Plan], str] = health_repair.do
    now: Callable[[], float] = clock.now
    record: Record = field(default_factory=lambda: record.parse(_old()) or Record())
    doors: Doors = field(default_factory=Doors)

    def step(self) -> float:
        """Look, write down what was found, repair if that is due; return when to look again."""
        began = time.monotonic()
        try:
            policy, plan = world.policy(), parse(store.read(paths.WATCHED) or "")
        except (PolicyError, PlanError, OSError) as error:
            self._note(self._blind(str(error)), began)
            return EVERY_S
        found, facts = self._look(policy, plan)
        now = self.now()
        before = self.record
        standings = {f.layer: settle(before.standings.get(f.layer), f, now) for f in found}
        hold = held_up(now)
        self.record = replace(
            before, at=now, standings=standings, hold=hold, samples=self._samples(facts, now)
        )
        cause = self.record.cause
        if cause is not None and standings[cause.layer].last.verdict is not ILL:
            # Somebody else may just have mended it: the guard restarts a guest that is mute.
            hold = hold or "the last look saw it well"
        decision = decide(now, before.ladder, cause.cause if cause else "", hold)
        self.record = replace(self.record, ladder=decision.ladder, says=decision.says)
        self._note(self.record, began)
        self._tell(before)
        for said in self.doors.look(policy, now):
            store.event("bridge", said)
        if decision.action:
            self._repair(decision.action, policy, plan)
        return SOON_S if pending(standings.values()) else EVERY_S

    def _look(self, policy: Policy, plan: Plan) -> tuple[list[Finding], Facts | None]:
        held = HOLD in self.record.ladder.tried
        seen = self.eyes.outside(policy, self.now(), held=held)
        facts, why = self.ask(policy, plan) if seen.runs else (None, "the guest does not run")
        return findings(seen, facts, why, plan, self._agent_starts(facts)), facts

    def _agent_starts(self, facts: Facts | None) -> int:
        job = facts.part("job") if facts else None
        text = str((job or {}).get("runs", ""))
        runs = int(text) if text.isdecimal() and len(text) < 10 else None
        starts = self.eyes.agent_starts.note(self.now(), runs)
        if maintenance.current() is None and not update.bringing_back():
            return starts
        # The guest that comes back is another one: nothing of this one's flapping is its own.
        self.eyes.agent_starts.clear()
        return 0

    def _samples(self, facts: Facts | None, now: float) -> tuple[Sample, ...]:
        machine = facts.part("machine") if facts else None
        if machine is None:
            return self.record.samples
        free = [number(disk, "free") for disk in objects(machine.get("disks"))]
        known = [float(each) for each in free if each is not None]
        sample = (
            now,
            moment(machine, "load"),
            moment(machine, "memory_free"),
            min(known, default=None),
        )
        return (*self.record.samples, sample)[-SAMPLES:]

    def _blind(self, why: str) -> Record:
        return replace(self.record, at=self.now(), standings={}, says=why)

    def _note(self, found: Record, began: float) -> None:
        took = round((time.monotonic() - began) * 1000)
        self.record = replace(found, pid=os.getpid(), every_s=EVERY_S, took_ms=took)
        store.write(paths.HEALTH, self.record.text(), 0o600)

    def _tell(self, before: Record) -> None:
        """Put a change on the host's record."""
        was, there = before.cause, self.record.cause
        if there is not None and (was is None or was.cause != there.cause):
            words = f"{CAUSES[there.cause].words} ({there.layer}: {there.value})"
            store.event("health", f"ill: {words}", cause=there.cause, evidence=there.evidence)
        elif there is None and was is not None:
            store.event("health", f"over: {CAUSES[was.cause].words}", cause=was.cause)
        if self.record.ladder.stopped and not before.ladder.stopped:
            store.event("gave-up", self.record.says, cause=self.record.ladder.cause)

    def _repair(self, action: str, policy: Policy, plan: Plan) -> None:
        if action in {GUEST, HOLD}:
            self.eyes.guest_starts.forgive()
        if action in {PROCESS, JOB, GUEST}:
            self.eyes.agent_starts.forgive()
        said = self.act(action, policy, plan)
        cause = self.record.ladder.cause
        store.event("repair", f"{action}: {said}; {CAUSES[cause].words}", cause=cause)


def findings(seen: Seen, facts: Facts | None, why: str, plan: Plan, starts: int) -> list[Finding]:
    """Return what one look found, layer by layer. `why` is why the guest said nothing."""
    outside = judge_host.findings(
        seen,
        "" if facts is not None else why if seen.runs else None,
        _says(facts),
    )
    inner = (
        judge_guest.unseen(plan.agent, "the guest was not seen inside")
        if facts is None
        else judge_guest.findings(facts, plan.agent, starts)
    )
    return [*outside, *inner]


def _says(facts: Facts | None) -> str:
    """Return the address that the guest itself sees; "" for none, and for anything else."""
    part = facts.part("address") if facts else None
    said = (part or {}).get("v4")
    return said if isinstance(said, str) and said.replace(".", "").isdecimal() else ""


def held_up(now: float) -> str:
    """Say why nothing may be repaired now, "" when it may."""
    if (work := maintenance.current()) is not None:
        return f"{work.reason} is being done"
    if said := update.under_way():
        return said
    if situation.cut() is not None:
        return "the guard has cut the guest off"
    try:
        window = world.window()
        written = os.stat(JOURNAL).st_mtime
    except (PolicyError, OSError, ValueError):
        return ""
    if window is not None and now < window.until:
        return "the provisioning window is open"
    return "a converge is at work" if 0 <= time.time() - written < AT_WORK_S else ""


def _old() -> str | None:
    try:
        return store.read(paths.HEALTH)
    except (OSError, ValueError):
        return None


class Bell:
    """Wakes the loop for a signal: what was asked for is looked at between two looks."""

    def __init__(self) -> None:
        self.ending = False
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number_ in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number_, self._end)
        signal.signal(signal.SIGUSR1, lambda *_: None)

    def _end(self, _number: int, _frame: object) -> None:
        self.ending = True

    def wait(self, timeout_s: float) -> None:
        """Wait until a signal comes or the time is up."""
        if select.select([self._read], [], [], timeout_s)[0]:
            os.read(self._read, 4096)


def main(arguments: Sequence[str]) -> int:
    """Run as `health run`, by launchd."""
    parser = argparse.ArgumentParser(prog="clawkeep health", description="Watch the keep.")
    parser.add_argument("verb", choices=["run"], help="for launchd: look and mend for ever")
    parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep health: must run as root; launchd runs it\n")
        return 77
    bell = Bell()
    with store.locked(Path(LOCK)):
        watcher, said = Watcher(), ""
        while not bell.ending:
            wait_s = SOON_S
            try:
                wait_s = watcher.step()
            except Exception as error:  # noqa: BLE001 - a watcher that ends watches nothing
                store.limit_errors()
                if repr(error) != said:
                    said = repr(error)
                    sys.stderr.write(f"clawkeep health: {said}\n")
            if not bell.ending:
                bell.wait(wait_s)
    return 0
