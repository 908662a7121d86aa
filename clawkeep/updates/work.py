"""An update between a snapshot and a probe: what is red is undone, what is killed is found again.

The journal on the host is written before the guest is changed and removed when all is over. With
one there, the guest is in an unknown state: until `resume` nothing else is begun. Only an update
that was seen to be applied in whole can still end well; any other is undone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from clawkeep.updates import journal
from clawkeep.updates.journal import Entry
from clawkeep.updates.update import Update
from clawkeep.updates.version import step

SETTLE_S, JUDGE_S = 300.0, 150.0
"""How long the keep gets to be well again: after the guest was booted, and after it was changed."""


class UpdateError(Exception):
    """It was not done; the text says why, and what is so now."""


class NotBegunError(UpdateError):
    """Nothing was changed."""


class RolledBackError(UpdateError):
    """It was red; the guest is again what it was."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is there and well in the guest: see `Entry`."""

    kegs: dict[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()


class Keep(Protocol):
    """The keep, as this work sees it. Each raises UpdateError when it cannot."""

    def journal(self) -> Entry | None:
        """Return what is under way."""

    def note(self, entry: Entry) -> None:
        """Write down what is under way."""

    def clear(self, what: str) -> None:
        """Take the journal away, and note in the host's record how it ended."""

    def well(self, wait_s: float) -> str:
        """Return "" when all is well within `wait_s` seconds, else what is not."""

    def look(self, formulas: Sequence[str], skills: Sequence[str] | None) -> Look:
        """Look at the guest; skills are proved anew, with None their last proofs count."""

    def snapshot(self, reason: str) -> str:
        """Make a snapshot; return its name."""

    def upgrade(self, formulas: Sequence[str]) -> str:
        """Upgrade formulas in the guest; return "" or what went wrong."""

    def restart_agent(self) -> None:
        """Have the agent run with what is there now."""

    def restore(self, snapshot: str) -> None:
        """Put a snapshot in the guest's place, unless that was done already."""


Say = Callable[[str], None]


def apply(keep: Keep, chosen: Sequence[Update], who: str, say: Say) -> None:
    """Apply updates. Raises NotBegunError, RolledBackError, UpdateError."""
    names = ", ".join(f"{u.name} {u.available}" for u in chosen)
    entry = _begun(
        keep,
        Entry(
            journal.APPLYING, "", who, time.time(), f"update to {names}",
            wanted={u.name: u.available for u in chosen},
            majors=tuple(u.name for u in chosen if u.major),
        ),
        say,
    )  # fmt: skip
    say(f"upgrading {', '.join(entry.wanted)}")
    try:
        why = keep.upgrade(tuple(entry.wanted))
    except UpdateError as error:
        why = str(error)
    if not why:
        entry = replace(entry, stage=journal.APPLIED)
        _noted(keep, entry, say)
    _end(keep, entry, why or judged(keep, entry, say), say)


def begin(keep: Keep, reason: str, who: str, say: Say) -> Entry:
    """Make a snapshot for what a person is going to do. Raises NotBegunError, UpdateError."""
    return _begun(keep, Entry(journal.BY_HAND, "", who, time.time(), reason), say)


def finish(keep: Keep, say: Say) -> str:
    """End what was begun by hand: kept when it is green, undone when it is red.

    Raises NotBegunError, RolledBackError, UpdateError.
    """
    entry = keep.journal()
    if entry is None or entry.stage != journal.BY_HAND:
        raise NotBegunError("nothing was begun by hand (`clawkeep update begin`)")
    _end(keep, entry, judged(keep, entry, say), say)
    return f"{entry.reason}: kept; the snapshot from before is {entry.snapshot}"


def resume(keep: Keep, say: Say) -> str:
    """Finish or undo what was interrupted; say which. Raises RolledBackError, UpdateError."""
    entry = keep.journal()
    if entry is None:
        return "nothing is under way"
    if entry.stage == journal.BY_HAND:
        raise NotBegunError(
            f"{entry.reason!r} is being done by hand since {_date(entry.t)}, by {entry.who}; end "
            "it with `clawkeep update finish`"
        )
    if entry.stage == journal.APPLIED:
        _end(keep, entry, judged(keep, entry, say), say)
        return f"{entry.reason}: it was finished"
    _end(keep, entry, entry.why or "it was interrupted while it was applied", say)
    return ""


def _begun(keep: Keep, entry: Entry, say: Say) -> Entry:
    if there := keep.journal():
        raise NotBegunError(
            f"{there.reason!r} ({there.stage}) is under way since {_date(there.t)}, by {there.who};"
            " `clawkeep update resume` ends it"
        )
    if why := keep.well(0):
        raise NotBegunError(f"not all is well, and nothing was begun: {why} (`clawkeep status`)")
    say("all is well; making a snapshot, the guest is down meanwhile")
    entry = replace(entry, snapshot=keep.snapshot(f"before: {entry.reason}"))
    if why := keep.well(SETTLE_S):
        raise NotBegunError(f"nothing was changed: since its snapshot not all is well ({why})")
    look = keep.look(tuple(entry.wanted), None)
    entry = replace(entry, kegs=look.kegs, programs=look.programs, skills=look.skills)
    try:
        keep.note(entry)
    except UpdateError as error:
        raise NotBegunError(f"nothing was changed: it cannot be written down: {error}") from error
    say(f"the snapshot is {entry.snapshot}")
    return entry


def _noted(keep: Keep, entry: Entry, say: Say) -> None:
    """Write down what is under way, if it can be: what is written of it already leads back."""
    try:
        keep.note(entry)
    except UpdateError as error:
        say(f"not written down ({entry.stage}): {error}")


def judged(keep: Keep, entry: Entry, say: Say) -> str:
    """Return "" when what was applied is there and nothing is worse than before, else what is."""
    say("looking whether all is well")
    try:
        keep.restart_agent()
        # By hand, it may have been booted as well.
        if why := keep.well(SETTLE_S if entry.stage == journal.BY_HAND else JUDGE_S):
            return why
        look = keep.look(tuple(entry.wanted), entry.skills)
    except UpdateError as error:
        return str(error)
    return "; ".join([*_not_there(entry, look), *_worse(entry, look)])


def _not_there(entry: Entry, look: Look) -> list[str]:
    """Return in words which versions are not what they were to be.

    brew takes along what a formula depends on: a major that nobody named is none that was allowed.
    """
    found = []
    for name, version in entry.wanted.items():
        if (there := look.kegs.get(_short(name), "nowhere")) != version:
            found.append(f"{name} is {there}, not {version}")
    allowed = {_short(name) for name in entry.majors}
    for name, version in look.kegs.items() if entry.wanted else ():
        came = step(entry.kegs[name], version) if name in entry.kegs else "same"
        if came in {"major", "unknown"} and name not in allowed:
            found.append(
                f"{name} came along in a major, {entry.kegs[name]} -> {version}, that nobody "
                f"named (--major brew:{name})"
            )
    return found


def _worse(entry: Entry, look: Look) -> list[str]:
    programs = sorted(set(entry.programs) - set(look.programs))
    skills = sorted(set(entry.skills) - set(look.skills))
    found = []
    if programs:
        found.append(f"no longer runs: {', '.join(programs[:8])}")
    if skills:
        found.append(f"no longer proved: {', '.join(skills)}")
    return found


def _end(keep: Keep, entry: Entry, why: str, say: Say) -> None:
    if not why:
        keep.clear(f"{entry.reason}: done, and all is well")
        return
    say(f"RED: {why}")
    say(f"bringing {entry.snapshot} back")
    _noted(keep, replace(entry, stage=journal.ROLLING_BACK, why=why), say)
    keep.restore(entry.snapshot)
    if still := keep.well(SETTLE_S):
        raise UpdateError(
            f"{entry.snapshot} is back ({why}), but not all is well: {still}; see `clawkeep "
            "status`, then `clawkeep update resume`"
        )
    keep.clear(f"{entry.reason}: rolled back to {entry.snapshot}: {why}")
    raise RolledBackError(f"{entry.reason}: rolled back to {entry.snapshot}: {why}")


def _short(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _date(t: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(t))
