"""The cheap look, every second: whether all is as it was when it was last found right.

It only compares texts; whoever sees a difference asks for the full check. pf gives no sign of a
change (reference/macos.md §1.2), so it must be asked: pfctl is called three times a second at most
looks, for what opens at once (pf disabled, the main ruleset replaced) at every one, for one of the
two anchors at every other, since each of them alone still closes. What takes packets past all rules
(the main ruleset's translation, `set skip`) nobody does by mistake: each is asked for at every
tenth.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from clawkeep.onhost import guests, paths, pfctl, world
from clawkeep.render.anchor import ANCHOR, WALL
from clawkeep.seen import Seen, printed_lines, skipped_interfaces

#: What decides what is open, and what must stay as the guard wrote it.
INPUTS = (paths.POLICY, paths.GRANTS, paths.WINDOW, paths.CANARY, paths.CUT)
OUTPUTS = (paths.LINK, paths.ANCHOR_FILE, paths.WALL_FILE, paths.ENFORCED)

#: What `changed` says when a guest may have come or gone.
BRIDGE = "a bridge changed"

Mark = tuple[int, int, int] | None


@dataclass
class Watch:
    """What was right, and what differs from it now."""

    seen: Seen | None = None
    bridges: str = ""
    files: tuple[Mark, ...] = ()
    _turn: int = field(default=0)

    def settle(self, seen: Seen | None, bridges: str, inputs: tuple[Mark, ...]) -> None:
        """Take this for right: what a full check saw, and the marks of INPUTS before it began."""
        self.seen, self.bridges = seen, bridges
        self.files = (*inputs, *marks(OUTPUTS))

    def changed(self) -> str:
        """Say what is not as it was, "" when all is."""
        if self.seen is None:
            return "not known to be right"
        if marks((*INPUTS, *OUTPUTS)) != self.files:
            return "a file changed"
        try:
            return self._pf(self.seen) or ("" if guests.interfaces() == self.bridges else BRIDGE)
        except (OSError, subprocess.SubprocessError, pfctl.PfError) as error:
            return str(error)

    def _pf(self, right: Seen) -> str:
        if "Status: Enabled" not in world.run([pfctl.PFCTL, "-s", "info"]).stdout:
            return "pf is disabled"
        if printed_lines(pfctl.rules()) != right.main:
            return "the main ruleset changed"
        self._turn += 1
        anchor, rules = ((ANCHOR, right.doors), (WALL, right.wall))[self._turn % 2]
        if printed_lines(pfctl.rules(anchor)) != rules:
            return f"{anchor} changed"
        if self._turn % 10 == 5:
            same = printed_lines(pfctl.ask("-sn")) == dict(right.nat).get("", ())
            return "" if same else "what pf translates changed"
        if self._turn % 10 == 0:
            same = skipped_interfaces(pfctl.interfaces()) == right.skipped
            return "" if same else "what pf skips changed"
        return ""


def marks(files: Iterable[Path]) -> tuple[Mark, ...]:
    """Return the marks of some files."""
    return tuple(mark(path) for path in files)


def mark(path: Path) -> Mark:
    """Return what changes whenever a file is replaced or written, None when there is none."""
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return status.st_ctime_ns, status.st_ino, status.st_size
