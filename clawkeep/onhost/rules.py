"""The two anchors: brought back when they were lost, loaded when they must change, and proved.

The order is always that of less: what closes is loaded and read back before anything else is told,
and states that the rules no longer allow end after that.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
from collections.abc import Iterable

from clawkeep import expected
from clawkeep.link import Link
from clawkeep.onhost import guests, paths, pfctl, store
from clawkeep.onhost.situation import Record, Situation, link_of
from clawkeep.render import anchor as render
from clawkeep.seen import Seen, printed_lines

#: How often in a row what is lost again at once is brought back.
TRIES = 3


def doors(now: Situation, link: Link | None) -> str:
    """Return the text of the doors' anchor for this moment."""
    if now.cut is not None and now.cut.cause != "unable":
        # Nothing at all passes a guest that leaks; one whose canary is mute stays manageable.
        return render.kill_switch()
    return render.deny_all() if link is None or now.cut else render.anchor(now.openings, link)


def mark(lines: Iterable[str]) -> str:
    """Return what tells these printed rules from all others."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class Mending:
    """Brings back what was in force last, when it no longer is; `lost` says what was missing.

    Everything that was allowed meanwhile may have left states: those of the guest end, whoever
    began them. A rule file that is not the one that was loaded is not loaded again: then
    everything is closed until it is rendered anew.
    """

    def __init__(self, before: Record) -> None:
        self.before = before
        self.lost: tuple[str, ...] = ()

    def done(self) -> Seen:
        """Look, mend what is lost, and return what is in force then. Raises PfError."""
        seen = pfctl.look()
        for _ in range(TRIES if self.before.rules else 0):  # None in force since this boot.
            lost = self._lost(seen)
            if not lost:
                break
            self.lost += lost
            _load(seen, self._text(), render.wall())
            _end_all(link_of(self.before))
            store.event("repaired", "; ".join(lost))
            seen = pfctl.look()
        return seen

    def _lost(self, seen: Seen) -> tuple[str, ...]:
        same = mark(seen.doors) == self.before.rules
        return seen.lacks("\n".join(seen.doors) if same else self._text(), render.wall())

    def _text(self) -> str:
        text = store.read(paths.ANCHOR_FILE) or ""
        ours = mark(render.printed(text)) == self.before.rules
        return text if ours else render.deny_all()


def bring(seen: Seen, text: str, now: Situation, before: Record, link: Link | None) -> Seen:
    """Have the doors `text` and the wall in force; return what is then. Raises PfError."""
    wall = render.wall()
    lost = _load(seen, text, wall)
    after = seen
    if lost:
        after = pfctl.look()
    elif seen.doors != render.printed(text):
        after = pfctl.look(seen)
    if left := after.lacks(text, wall):
        raise pfctl.PfError("; ".join(left))
    if found := expected.differences(
        after,
        now.openings,
        link if now.cut is None else None,
        killed=now.cut is not None and now.cut.cause != "unable",
    ):
        raise pfctl.PfError(f"what pf lets pass is not what is declared: {found[0]}")
    if words := guests.unheld(guests.interfaces()):
        raise pfctl.PfError(words)
    if lost and before.rules:
        # Lost since it was looked at; nobody knows for how long.
        _end_all(link_of(before))
        store.event("repaired", "; ".join(lost))
    _end_states(seen, after, before, link if now.cut is None else None)
    return after


def _load(seen: Seen, text: str, wall: str) -> tuple[str, ...]:
    """Load what differs from what was seen; say what was missing but for doors. Raises PfError."""
    lost = [one for one in seen.lacks("\n".join(seen.doors), wall) if "disabled" not in one]
    if not seen.referenced:
        pfctl.repair_main()
    for anchor, path, found, wanted in (
        (render.WALL, paths.WALL_FILE, seen.wall, wall),
        (render.ANCHOR, paths.ANCHOR_FILE, seen.doors, text),
    ):
        if found != render.printed(wanted) or anchor in dict(seen.nat):
            pfctl.load(anchor, path, wanted)
        elif store.read(path) != wanted:
            store.write(path, wanted)
    if pfctl.hold_enabled():
        lost.append("pf is disabled" if not seen.enabled else "our hold on pf was gone")
    return tuple(lost)


def _end_all(old: Link | None) -> None:
    """End every state of the guest; without a known one, of all guests."""
    pfctl.kill([str(old.guest)] if old else guests.networks(guests.interfaces()))


def end_all(old: Link | None) -> None:
    """End every state as far as that goes: for when something else has failed already."""
    with contextlib.suppress(pfctl.PfError, OSError, subprocess.SubprocessError):
        _end_all(old)


def _end_states(seen: Seen, after: Seen, before: Record, link: Link | None) -> None:
    """End what the rules no longer allow: a state outlives its rule.

    While the link stays, other doors' connections live on: a removed door's flow ends with its
    bridge, and a removed network's states are named. After a failure nobody knows what passed.
    """
    old = link_of(before)
    if before.state == "failed":
        _end_all(old)
        return
    if old is None:
        return
    if old != link and (before.state == "open" or link is not None):
        pfctl.kill([str(old.guest)])
    elif gone := pfctl.egress_of(seen.doors) - pfctl.egress_of(after.doors):
        pfctl.kill_pairs(str(old.guest), sorted({network for network, _ in gone}))


def close() -> None:
    """Close what can be closed; when that fails, too, say so and go on."""
    for anchor, path, text in (
        (render.WALL, paths.WALL_FILE, render.wall()),
        (render.ANCHOR, paths.ANCHOR_FILE, render.deny_all()),
    ):
        try:
            if printed_lines(pfctl.rules(anchor)) != render.printed(text):
                pfctl.load(anchor, path, text)
        except (pfctl.PfError, OSError, subprocess.SubprocessError) as error:
            sys.stderr.write(f"{anchor}: {error}\n")
