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
    closed -> cut     the guest runs, and for five minutes nobody can tell at which address
    cut -> open       the leak is explained by a repair that has been made, or the canary was only
                      mute, and a canary that ran after the cut found nothing
    cut -> closed     the guest ended; a latched cut (an unexplained leak, a second one within 15
                      min, or a guest that the guard had to stop) refuses the next start until
                      `clawkeep enforce --reopen`
    any -> failed     and back, as soon as all of it is proved again

A cheap look every second (`watch`), a full check when it saw a difference, when something ends by
itself, when it is asked, and every 30 s. The guard leaves rules as they are when it ends: launchd
starts it again, and until then what was last proved stands. Somebody who holds the host's lock for
too long is not waited for: pf is looked at without it, and what is not right is closed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from clawkeep.onhost import clock, enforce, guests, paths, pfctl, rules, running, store, verdicts
from clawkeep.onhost.counters import Forwarding
from clawkeep.onhost.cuts import Cuts
from clawkeep.onhost.evidence import Evidence
from clawkeep.onhost.situation import Cut, Record, Situation, link_of, recorded, situation
from clawkeep.onhost.sock import Request, Server
from clawkeep.onhost.unlocked import wrong
from clawkeep.onhost.watch import BRIDGE, INPUTS, Watch, marks
from clawkeep.seen import Seen

TICK_S = 1.0
FULL_S = 30.0
RETRY_S = 2.0
GRACE_S = 120.0
#: A clock that jumps by more than this makes everything due.
JUMP_S = 2.0
#: How long the lock is waited for, and how long once somebody has held it for so long.
LOCK_S = 20.0
LOCK_AGAIN_S = 1.0


class Guard:
    """The loop, and what it remembers between two checks."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self.stopping = False
        self.watch = Watch()
        self.evidence = Evidence()
        self.forwarding = Forwarding()
        self.cuts = Cuts()
        self.ending = running.Ending(grace_s, self.cuts.stand)
        self.record = recorded()
        self.seen: Seen | None = None
        self.bridges = ""
        self.now = Situation(None, enforce.NOTHING)
        self.busy = ""
        self.checked = 0.0
        self.hopeful = time.monotonic()
        self.offset = time.time() - time.monotonic()

    def run(self) -> int:
        """Run until SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self.close_first()
        self.check("start")
        server = Server()
        store.event("guard", f"started, pid {os.getpid()}; {enforce.said(self.record)}")
        due = time.monotonic()
        while not self.stopping:
            if not server.stands():
                # Its folder was put aside, or somebody took the socket away.
                server.close()
                server = Server()
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

    def close_first(self) -> None:
        """Close what nobody has closed since the boot; rules that are there stand until proved."""
        try:
            seen = pfctl.look()
        except (pfctl.PfError, OSError, subprocess.SubprocessError):
            seen = Seen()
        if not (seen.doors and seen.wall):
            rules.close()

    def tick(self) -> None:
        """Look; check everything when there is a reason to."""
        age = time.monotonic() - self.checked
        ended = self.now.next_change is not None and clock.now() >= self.now.next_change
        jumped = abs(time.time() - time.monotonic() - self.offset) > JUMP_S
        if jumped:
            self.offset = time.time() - time.monotonic()
        if age >= FULL_S or ended or jumped or self.ending.due(self.record, self.now.cut):
            self.check("due")
        elif self.watch.seen is None or self.busy or self.cuts.unwritten:
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
        return self.busy

    def check(self, reason: str, *, hold: str = "") -> None:
        """Check everything, act on what is found, and note it in guard.json."""
        inputs = marks(INPUTS)
        try:
            self._have_folder()
            with store.locked(timeout_s=LOCK_AGAIN_S if self.busy else LOCK_S):
                self.busy = ""
                self._check(hold)
            self._note(reason)
        except store.BusyError as busy:
            self._check_unlocked(str(busy), hold)
        except Exception as error:  # noqa: BLE001 - whatever it was: closed, and guarded on
            sys.stderr.write(f"guard: {reason}: {error!r}\n")
            rules.close()
            rules.end_all(link_of(self.record))
            self._failed(repr(error))
        store.limit_errors()
        self.checked = time.monotonic()
        self.watch.settle(self.seen, self.bridges, inputs)

    def _have_folder(self) -> None:
        """Have root's folder of this boot be root's; what lay in somebody else's counts no more."""
        if words := store.own_folder(paths.RUN):
            store.event("repaired", words)
            enforce.shut(Record())

    def _check(self, hold: str) -> None:
        """Do all that needs the lock."""
        self.now = self.cuts.upon(situation())
        self.cuts.keep()
        self._enforce(hold)
        cut = self.now.cut
        if found := self.evidence.found(self.now, self.record, self.bridges, hold):
            self._cut(found)
        elif self.record.state == "cut" and cut is not None and self.evidence.lifts(cut):
            self._lift("its cause is gone, and the canary found nothing")
        self.ending.act(self.now, self.record, self.bridges)
        self.cuts.keep()
        self.ending.nat(self.now, self.record, self.seen)
        if words := self.forwarding.changed(self.record):
            store.event("forwarding", words)

    def _check_unlocked(self, busy: str, hold: str) -> None:
        """Look at pf while somebody else has the lock, and close what is not right."""
        if not self.busy:
            store.event("busy", busy)
        self.busy = busy
        try:
            self.now = self.cuts.upon(situation())
            self.seen, self.bridges = pfctl.look(), guests.interfaces()
            if found := self.evidence.found(self.now, self.record, self.bridges, hold):
                self.cuts.stand(found)
                self.now = self.cuts.upon(self.now)
            why = wrong(self.seen, self.now, recorded(), self.bridges, hold)
        except Exception as error:  # noqa: BLE001 - as with the lock
            why = repr(error)
        if why:
            enforce.shut(self.record)
            self._failed(f"{why}; {busy}")
        else:
            with contextlib.suppress(Exception):
                self.ending.act(self.now, self.record, self.bridges)
        self.cuts.keep()

    def _failed(self, why: str) -> None:
        """Note that nothing is known to be right, and have the guest stopped in time."""
        self.record, self.seen = enforce.failed(why, self.record), None
        self.ending.note(self.record)
        with contextlib.suppress(Exception):
            self.bridges = self.bridges or guests.interfaces()
            self.ending.act(self.now, self.record, self.bridges)

    def _bring(self, hold: str = "") -> None:
        done = enforce.enforced(self.now, hold=hold)
        self.record, self.seen, self.bridges = done.record, done.seen, done.bridges

    def _enforce(self, hold: str) -> None:
        before = self.record
        self._bring(hold)
        self.ending.note(self.record)
        ended = before.state == "cut" and self.record.state == "closed"
        if ended and self.now.cut is not None and not self.now.cut.latched:
            self._lift("the guest ended")

    def _cut(self, cut: Cut) -> None:
        """Cut the guest off, and then put that on record."""
        self.cuts.stand(cut)
        self.now = self.cuts.upon(self.now)
        self._bring()
        self.cuts.keep()

    def _lift(self, why: str) -> None:
        self.cuts.lift()
        store.event("lifted", why)
        self.now = situation()
        self._bring()

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
