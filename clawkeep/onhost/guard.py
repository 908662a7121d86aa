"""`clawkeep guard`: keeps what is declared in force, second by second. The only writer of pf rules.

Its states, each change of which is an event:

    closed   no guest is on a bridge (or none is known yet): deny-all
    open     the guest's link is known, and exactly the declared doors are proved to be open
    failed   something could not be enforced or proved: closed as far as it can be, no bridge
             listens; tried again every 2 s, and the guest is stopped after FAILED_S
    cut      the guest runs, and a packet got through, or nobody can tell: no bridge listens,
             every state is dead; the guest is stopped after the grace

    closed -> open    the guest's agent says its address, a vmnet bridge carries it
    open -> closed    the guest ended (its supervisor says so, or its bridge changed), or moved
    open -> cut       the canary saw a leak; or was mute twice in a row; or pf counts nothing
                      while the bridge receives, twice in a row
    cut -> open       the leak is explained by a repair that has been made, or the canary was only
                      mute, and a canary that ran after the cut found nothing
    cut -> closed     the guest ended; a latched cut (an unexplained leak, a second one within 15
                      min, or a guest that the guard had to stop) refuses the next start until
                      `clawkeep enforce --reopen`
    any -> failed     and back, as soon as all of it is proved again

A cheap look every second (`watch`), a full check when it saw a difference, when something ends by
itself, when it is asked, and every 30 s. The guard leaves rules as they are when it ends: launchd
starts it again, and until then what was last proved stands.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clawkeep.onhost import clock, enforce, guests, paths, pfctl, rules, store, verdicts
from clawkeep.onhost.counters import Counters, Forwarding
from clawkeep.onhost.situation import Cut, Record, Situation, link_of, recorded, situation
from clawkeep.onhost.sock import Request, Server
from clawkeep.onhost.watch import BRIDGE, INPUTS, Watch, marks
from clawkeep.seen import Seen

TICK_S = 1.0
FULL_S = 30.0
RETRY_S = 2.0
GRACE_S = 120.0
FAILED_S = 10.0
#: The longest orderly shutdown of a guest (`supervisor.SHUTDOWN_S`), then its power is cut.
SHUTDOWN_S = 150.0
#: A guest whose canary is mute is restarted once in so long, then it stays down.
OFTEN_S = 3600.0
#: A clock that jumps by more than this makes everything due.
JUMP_S = 2.0

CANARY_JOB = Path("/Library/LaunchDaemons/com.nanoclaw.canary.plist")


class Guard:
    """The loop, and what it remembers between two checks."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self.grace_s = grace_s
        self.stopping = False
        self.watch = Watch()
        self.judge = verdicts.Judge()
        self.counters = Counters()
        self.forwarding = Forwarding()
        self.record = recorded()
        self.seen: Seen | None = None
        self.bridges = ""
        self.now = Situation(None, enforce.NOTHING)
        self.checked = 0.0
        self.failing = 0.0
        self.stopping_since = 0.0
        self.stopped = 0.0
        self.hopeful = time.monotonic()
        self.shared = 0.0
        self.offset = time.time() - time.monotonic()

    def run(self) -> int:
        """Run until SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        seen = pfctl.look()
        if not (seen.doors and seen.wall):
            with store.locked():
                rules.close()
        self.check("start")
        server = Server()
        store.event("guard", f"started, pid {os.getpid()}; {enforce.said(self.record)}")
        due = time.monotonic()
        while not self.stopping:
            if self.now.policy is not None:
                server.belongs_to(self.now.policy.owner_uid)
            request = server.next(due - time.monotonic())
            if request is not None:
                self.serve(request)
            elif time.monotonic() >= due:
                due = time.monotonic() + TICK_S
                self.tick()
        server.close()
        return 0

    def _stop(self, _number: int, _frame: object) -> None:
        self.stopping = True

    def tick(self) -> None:
        """Look; check everything when there is a reason to."""
        age = time.monotonic() - self.checked
        ended = self.now.next_change is not None and clock.now() >= self.now.next_change
        jumped = abs(time.time() - time.monotonic() - self.offset) > JUMP_S
        if jumped:
            self.offset = time.time() - time.monotonic()
        if age >= FULL_S or ended or jumped or (self._grace_over() and not self.stopping_since):
            self.check("due")
        elif self.watch.seen is None:
            if age >= RETRY_S:
                self.check("not right yet")
        elif why := self.watch.changed():
            self.hopeful = time.monotonic() if why == BRIDGE else self.hopeful
            self.check(why)
        elif self.record.state == "closed" and self.watch.bridges:
            # A guest that boots gets its doors soon; another one's bridge may stay for ever.
            booting = time.monotonic() - self.hopeful < verdicts.BOOT_S
            if age >= (RETRY_S if booting else FULL_S / 3):
                self.check("is the guest there?")

    def serve(self, request: Request) -> None:
        """Answer one request of the guest's owner."""
        policy = self.now.policy
        if request.ask == "check":
            self.check("asked")
            request.answer(ok=self.record.state == "open", why=enforce.said(self.record))
        elif policy is not None and request.guest != policy.guest:
            request.answer(ok=False, why="that guest is not the keep's")
        else:
            self.check(
                request.ask, hold="the guest starts" if request.ask == "start" else "it ended"
            )
            self.hopeful = time.monotonic()
            why = self._refusal() if request.ask == "start" else ""
            request.answer(ok=not why, why=why)

    def _refusal(self) -> str:
        """Say why the guest must not start, "" when it may."""
        if self.now.cut is not None and self.now.cut.latched:
            return f"cut off: {self.now.cut.why}; deal with it, then: clawkeep enforce --reopen"
        if self.record.state != "closed" or self.now.policy is None:
            return enforce.said(self.record)
        return ""

    def check(self, reason: str, *, hold: str = "") -> None:
        """Check everything, act on what is found, and note it in guard.json."""
        inputs = marks(INPUTS)
        try:
            with store.locked():
                self.now = situation()
                self._enforce(hold)
                self._judge()
                self._stop_guest()
                self._nat()
                if words := self.forwarding.changed(self.record):
                    store.event("forwarding", words)
            self._note(reason)
        except Exception as error:  # noqa: BLE001 - whatever it was: closed, and guarded on
            sys.stderr.write(f"guard: {reason}: {error!r}\n")
            rules.close()
            rules.end_all(link_of(self.record))
            lost = Record("failed", repr(error), link=self.record.link)
            self.record, self.seen = lost, None
            self.failing = self.failing or time.monotonic()
            with contextlib.suppress(Exception):
                self.bridges = self.bridges or guests.interfaces()
                self._stop_guest()
        self.checked = time.monotonic()
        self.watch.settle(self.seen, self.bridges, inputs)

    def _bring(self, hold: str = "") -> None:
        done = enforce.enforced(self.now, hold=hold)
        self.record, self.seen, self.bridges = done.record, done.seen, done.bridges

    def _enforce(self, hold: str) -> None:
        before = self.record
        self._bring(hold)
        if self.record.state != "failed":
            self.failing = 0.0
        elif not self.failing:
            self.failing = time.monotonic()
        ended = before.state == "cut" and self.record.state == "closed"
        if ended and self.now.cut is not None and not self.now.cut.latched:
            self._lift("the guest ended")

    def _judge(self) -> None:
        """Cut the guest off, or let it back, as the canary and the counters say."""
        result, now = verdicts.parse(store.read(paths.CANARY)), time.time()
        cut = self.now.cut
        if self.record.state == "open":
            found = self.counters.blind(self.record) or (
                self.judge.rule(
                    result,
                    now=now,
                    running_since=self.record.link_since,
                    repaired=self.record.repaired,
                )
                if CANARY_JOB.exists()
                else None
            )
            if found is not None:
                self._cut(found)
        elif self.record.state == "cut" and cut is not None:
            if self.judge.lifts(result, cut, now=now):
                self._lift("its cause is gone, and the canary found nothing")
            elif worse := self.judge.leaks_behind(result, cut):
                self._cut(Cut(cut.cause, worse, 0.0, latched=True))

    def _cut(self, cut: Cut) -> None:
        store.write(paths.CUT, cut.text(), 0o600)
        self.now = situation()
        self._bring()

    def _lift(self, why: str) -> None:
        paths.CUT.unlink(missing_ok=True)
        store.event("lifted", why)
        self.now = situation()
        self._bring()

    def _stop_guest(self) -> None:
        """Stop a guest that is cut off, or cannot be guarded, for longer than its grace."""
        policy, now = self.now.policy, time.monotonic()
        hopeless = self.record.state == "failed" and now - self.failing >= FAILED_S
        due = hopeless or self._grace_over()
        if policy is None or not due or not guests.networks(self.bridges):
            self.stopping_since = 0.0
            return
        if not self.stopping_since:
            self.stopping_since = now
            self._latch()
            store.event("stopped", f"{policy.guest}: {guests.shut_down(policy)}; {self.record.why}")
        elif now - self.stopping_since >= SHUTDOWN_S:
            self.stopping_since = now
            store.event("stopped", f"{policy.guest}: {guests.cut_power(policy)}")

    def _grace_over(self) -> bool:
        """Whether the guest has been cut off for as long as it may run like that."""
        cut = self.now.cut
        return (
            self.record.state == "cut"
            and cut is not None
            and time.time() - cut.since >= self.grace_s
        )

    def _latch(self) -> None:
        """Keep a guest down that is stopped for a leak, or for the second time in an hour."""
        cut = self.now.cut
        often = bool(self.stopped) and time.monotonic() - self.stopped < OFTEN_S
        self.stopped = time.monotonic()
        if cut is not None and not cut.latched and (often or cut.cause != "unable"):
            self.now = replace(self.now, cut=replace(cut, latched=True))
            store.write(paths.CUT, replace(cut, latched=True).text(), 0o600)

    def _nat(self) -> None:
        """Restart a guest whose internet is gone: only vmnet's start brings its NAT back.

        A guest without egress by address needs none. Source: reference/macos.md §1.3.
        """
        policy, seen = self.now.policy, self.seen
        if policy is None or seen is None or self.record.state != "open":
            return
        there = any("com.apple.internet-sharing" in line for line in seen.main)
        if there or not self.now.openings.cidrs or self.shared == self.record.link_since:
            return
        self.shared = self.record.link_since
        store.event("restarted", f"internet sharing has lost its NAT: {guests.shut_down(policy)}")

    def _note(self, reason: str) -> None:
        values = {
            "pid": os.getpid(),
            "checked": time.time(),
            "reason": reason,
            "state": self.record.state,
            "why": self.record.why,
        }
        store.write(paths.GUARD, json.dumps(values) + "\n")


def main(arguments: Sequence[str]) -> int:
    """Run as `guard [--grace SECONDS]`, by launchd."""
    parser = argparse.ArgumentParser(prog="clawkeep guard", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--grace",
        type=float,
        default=GRACE_S,
        metavar="SECONDS",
        help="how long a guest that is cut off may run on (default: 120)",
    )
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep guard: only root may change pf; launchd runs it\n")
        return 1
    return Guard(options.grace).run()
