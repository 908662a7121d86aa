"""What the guard concludes from the canary's results: pure, so that every case can be tested.

Inspection can be green while everything is open (reference/peers.md 0.5), so packets have the last
word: something that got through cuts the guest off at once, whatever the rules look like. A canary
that cannot say anything is believed for one run, not for two. All times are `clock.now`'s, the
canary's too: a clock that is set makes no result look younger or older than it is. But how long the
canary has been mute is counted by what goes on only while the Mac is awake, and cannot be set: it
must not be held against the canary that it does not run while everything sleeps.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from clawkeep.onhost.situation import Cut

#: A result older than this is none, once the guest has had so long to boot.
STALE_S = 120
BOOT_S = 180
#: Two missing results are so far apart.
BETWEEN_S = 30
#: A canary takes this long at most: a repair within it explains the leak that it saw.
RUN_S = 60
#: A result from so far in the future is none: two programs' readings of the clock differ by less.
FUTURE_S = 5
#: A second leak so soon after a cut ended is not explained by any repair.
TRIAL_S = 900


@dataclass(frozen=True, slots=True)
class Result:
    """One run of the canary: when it ended, what got through, what could not be tried."""

    t: float
    verdict: str
    leaks: tuple[str, ...] = ()
    unable: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether all of it could be tried, and nothing got through."""
        return self.verdict in {"green", "degraded"} and not self.leaks and not self.unable


def parse(text: str | None) -> Result | None:
    """Read canary.json; None when there is none, one of verdict `red` when it makes no sense."""
    if text is None:
        return None
    try:
        data: dict[str, Any] = json.loads(text)
        return Result(
            float(data["t"]),
            str(data["verdict"]),
            tuple(_words(leak) for leak in data.get("leaks", ())),
            tuple(_words(reason) for reason in data.get("unable", ())),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return Result(0.0, "red", unable=("the canary's result cannot be read",))


def _words(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(slots=True)
class Judge:
    """Remembers what it has judged; `now` is always the host's clock in Unix seconds.

    `last` is of when the latest sign of life was, `heard` and `struck` when (in ticks) it came, and
    when the last strike was.
    """

    judged: float = 0.0
    strikes: int = 0
    struck: float | None = None
    last: float = 0.0
    heard: float = 0.0
    lifted: float = 0.0
    unlinked: float = 0.0

    def rule(
        self,
        result: Result | None,
        *,
        now: float,
        ticks: float,
        running_since: float,
        repaired: float,
    ) -> Cut | None:
        """Return why the open guest must be cut off, None when it need not be.

        `running_since` is when this guest got its link, `repaired` when pf was last repaired;
        `ticks` are seconds of a clock that nobody can set and that stands still in the Mac's sleep.
        """
        if result is not None and max(self.judged, running_since) < result.t <= now + FUTURE_S:
            self.judged = result.t
            self._mute(result.t, now, ticks)
            if result.leaks:
                explained = result.t - RUN_S <= repaired and now - self.lifted > TRIAL_S
                return Cut("leak", _first("got through", result.leaks), now, latched=not explained)
            if result.clean:
                self.strikes = 0
                return None
            return self._strike(now, ticks, _first("could not be tried", result.unable or ("it",)))
        mute = self._mute(max(self.judged, running_since), now, ticks)
        stale = now - running_since > BOOT_S and mute > STALE_S
        if stale and (self.struck is None or ticks - self.struck >= BETWEEN_S):
            return self._strike(now, ticks, f"the canary has said nothing for {mute:.0f} s")
        return None

    def _mute(self, last: float, now: float, ticks: float) -> float:
        """Return for how many seconds, awake, there was no sign of life after `last`."""
        if last != self.last:
            # What was there before this guard is as old as it says.
            self.heard = ticks if self.last else ticks - max(0.0, now - last)
            self.last = last
        return ticks - self.heard

    def lost(self, runs: bool | None, why: str, *, now: float) -> Cut | None:
        """Return why a guest must be cut off that has no link, None while it need not be.

        `runs` is whether it runs all the same; None, nobody can say, leaves it at what was said
        last. `why` says why it has no link. Without one it gets no door, and no canary: only time
        tells one that boots from one whose agent is mute, or names an address that is not its own.
        """
        if not (runs or (runs is None and self.unlinked)):
            self.unlinked = 0.0
            return None
        self.unlinked = self.unlinked or now
        if now - self.unlinked <= BOOT_S + STALE_S:
            return None
        seconds = now - self.unlinked
        return Cut("unable", f"it runs, and for {seconds:.0f} s nobody can tell where: {why}", now)

    def leaks_closed(self, result: Result | None, *, closed_since: float, now: float) -> Cut | None:
        """Return the cut that a leak asks for while no link is known, None without one.

        A run that began before everything was closed saw what was open then.
        """
        new = result is not None and max(self.judged, closed_since + RUN_S) < result.t
        if result is None or not new or not result.leaks or result.t > now + FUTURE_S:
            return None
        self.judged = result.t
        words = _first("got through although all is closed", result.leaks)
        return Cut("leak", words, now, latched=True)

    def lifts(self, result: Result | None, cut: Cut, *, now: float) -> bool:
        """Tell whether a cut ends: its cause is gone, and a canary since then found nothing."""
        if cut.latched or result is None:
            return False
        if not max(self.judged, cut.since) < result.t <= now + FUTURE_S:
            return False
        self.judged = result.t
        if result.clean:
            self.lifted, self.strikes = now, 0
        return result.clean

    def leaks_behind(self, result: Result | None, cut: Cut) -> str:
        """Say what gets through although the guest is cut off, "" when nothing does."""
        if result is None or result.t - RUN_S <= cut.since or not result.leaks:
            return ""
        return _first("gets through although all is closed", result.leaks)

    def _strike(self, now: float, ticks: float, why: str) -> Cut | None:
        self.strikes, self.struck = self.strikes + 1, ticks
        return Cut("unable", f"twice in a row: {why}", now) if self.strikes >= 2 else None


def _first(what: str, things: tuple[str, ...]) -> str:
    more = f" (and {len(things) - 1} more)" if len(things) > 1 else ""
    return f"{things[0]}{more} {what}"
