"""Whether the guest runs, and its end when it must not run on: cut off, or not to be guarded."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import replace

from clawkeep import tart
from clawkeep.onhost import clock, guests, store, world
from clawkeep.onhost.situation import Cut, Record, Situation
from clawkeep.policy import Policy
from clawkeep.seen import Seen

FAILED_S = 10.0
#: The longest orderly shutdown of a guest (`supervisor.SHUTDOWN_S`), then its power is cut.
SHUTDOWN_S = 150.0
#: A guest whose canary is mute is restarted once in so long, then it stays down.
OFTEN_S = 3600.0


def runs(policy: Policy) -> bool | None:
    """Tell whether tart says that the guest runs, None when it says nothing that makes sense."""
    try:
        listing = world.as_owner(policy, tart.list_local(), timeout_s=guests.TART_S).stdout
        return any(vm.name == policy.guest and vm.running for vm in tart.parse_list(listing))
    except (OSError, subprocess.TimeoutExpired, tart.TartError):
        return None


class Ending:
    """Ends a guest in time, and remembers when it was asked to go.

    `latch` gets the cut that keeps it down from then on, before it is asked.
    """

    def __init__(self, grace_s: float, latch: Callable[[Cut], None]) -> None:
        self.grace_s = grace_s
        self._latch = latch
        self._failing = 0.0
        self._asked = 0.0
        self._last = 0.0
        self._shared = 0.0

    def note(self, record: Record) -> None:
        """Note what came of a check: how long it has been failing counts."""
        if record.state != "failed":
            self._failing = 0.0
        elif not self._failing:
            self._failing = time.monotonic()

    def due(self, record: Record, cut: Cut | None) -> bool:
        """Whether the guest has been cut off for as long as it may run, and was not asked to go."""
        return not self._asked and self._grace_over(record, cut)

    def act(self, now: Situation, record: Record, bridges: str) -> None:
        """Stop a guest that is cut off, or cannot be guarded, for longer than its grace."""
        policy, moment = now.policy, time.monotonic()
        hopeless = bool(self._failing) and moment - self._failing >= FAILED_S
        due = hopeless or self._grace_over(record, now.cut)
        if policy is None or not due or not guests.networks(bridges):
            self._asked = 0.0
        elif not self._asked:
            self._asked = moment
            self._keep_down(now.cut)
            store.event("stopped", f"{policy.guest}: {guests.shut_down(policy)}; {record.why}")
        elif moment - self._asked >= SHUTDOWN_S:
            self._asked = moment
            store.event("stopped", f"{policy.guest}: {guests.cut_power(policy)}")

    def _grace_over(self, record: Record, cut: Cut | None) -> bool:
        return record.state == "cut" and cut is not None and clock.now() - cut.since >= self.grace_s

    def _keep_down(self, cut: Cut | None) -> None:
        """Latch a cut for a leak, or one that stops the guest for the second time in an hour."""
        often = bool(self._last) and time.monotonic() - self._last < OFTEN_S
        self._last = time.monotonic()
        if cut is not None and not cut.latched and (often or cut.cause != "unable"):
            self._latch(replace(cut, latched=True))

    def nat(self, now: Situation, record: Record, seen: Seen | None) -> None:
        """Restart a guest whose internet is gone: only vmnet's start brings its NAT back.

        A guest without egress by address needs none. Source: reference/macos.md §1.3.
        """
        if now.policy is None or seen is None or record.state != "open":
            return
        there = any("com.apple.internet-sharing" in line for line in seen.main)
        if there or not now.openings.cidrs or self._shared == record.link_since:
            return
        self._shared = record.link_since
        words = guests.shut_down(now.policy)
        store.event("restarted", f"internet sharing has lost its NAT: {words}")
