"""What may cut the guest off: the canary's results, pf's counters, and what tart says."""

from __future__ import annotations

import time
from pathlib import Path

from clawkeep.onhost import clock, guests, paths, running, store, verdicts
from clawkeep.onhost.counters import Counters
from clawkeep.onhost.situation import Cut, Record, Situation

#: Without its job nobody waits for the canary.
CANARY_JOB = Path("/Library/LaunchDaemons/com.nanoclaw.canary.plist")


class Evidence:
    """Looks at what there is to see, and has it judged."""

    def __init__(self) -> None:
        self.judge = verdicts.Judge()
        self.counters = Counters()

    def found(self, now: Situation, record: Record, bridges: str, hold: str) -> Cut | None:
        """Return why the guest must be cut off (or stay so for good), None while nothing is new.

        `hold` is why everything is closed on purpose, "" when it is not.
        """
        waits = record.state == "closed" and not hold
        runs = self._runs(now, bridges) if waits else False
        if lost := self.judge.lost(runs, record.why, now=clock.now()):
            return lost
        if runs and _canary():
            since, moment = record.since, clock.now()
            if leak := self.judge.leaks_closed(_result(), closed_since=since, now=moment):
                return leak
        if record.state == "open":
            return self.counters.blind(record) or (self._leaks(record) if _canary() else None)
        cut = now.cut
        if record.state != "cut" or cut is None or not cut.since:
            return None
        worse = self.judge.leaks_behind(_result(), cut)
        return Cut(cut.cause, worse, 0.0, latched=True) if worse else None

    def lifts(self, cut: Cut) -> bool:
        """Tell whether the canary has found nothing since this cut."""
        return self.judge.lifts(_result(), cut, now=clock.now())

    def _leaks(self, record: Record) -> Cut | None:
        return self.judge.rule(
            _result(),
            now=clock.now(),
            ticks=time.monotonic(),
            running_since=record.link_since,
            repaired=record.repaired,
        )

    @staticmethod
    def _runs(now: Situation, bridges: str) -> bool | None:
        """Tell whether the guest runs; without a bridge it is nowhere that could be guarded."""
        if now.policy is None or not guests.networks(bridges):
            return False
        return running.runs(now.policy)


def _canary() -> bool:
    return CANARY_JOB.exists()


def _result() -> verdicts.Result | None:
    return verdicts.parse(store.read(paths.CANARY))
