"""Tells of bridges that ended by themselves: launchd has them back before anybody looks.

One that dies now and then is no fault of the keep, so nothing is ill and nothing is mended; that it
died is on record, once in a quarter of an hour for each. One that we start anew is none of these,
and launchd counts anew when a job is loaded again.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from clawkeep.onhost import bridges, world
from clawkeep.onhost.plain import plain
from clawkeep.policy import Policy

AGAIN_S: Final = 900.0

RUNS = re.compile(r"^\s*runs = (\d{1,9})$", re.MULTILINE)
#: What `launchctl print` says of the last end; SIGTERM is what a job gets that is to end.
ENDED = re.compile(
    r"^\s*last (terminating signal = (?!Terminated: 15).*|exit code = [1-9].*)$", re.MULTILINE
)


@dataclass
class Doors:
    """Remembers how each bridge was started, and when one was last told of."""

    _runs: dict[str, tuple[int, tuple[int, int]]] = field(default_factory=dict)
    _ended: dict[str, tuple[str, tuple[int, int]]] = field(default_factory=dict)
    _told: dict[str, float] = field(default_factory=dict)

    def look(self, policy: Policy, now: float) -> Iterator[str]:
        """Yield a sentence for each bridge that has ended by itself.

        Told at the look after the one that saw it: the guard, which starts one anew with SIGKILL,
        writes that down only when it is done.
        """
        try:
            ours = bridges.last_start()
        except OSError:
            return
        for name, (how, then) in list(self._ended.items()):
            del self._ended[name]
            if then == ours and now - self._told.get(name, -AGAIN_S) >= AGAIN_S:
                self._told[name] = now
                yield f"{name} ended by itself ({how}); launchd started it again"
        for door in policy.doors:
            try:
                done = world.run(["/bin/launchctl", "print", f"system/{door.label}"], timeout_s=5)
            except (OSError, subprocess.SubprocessError):
                continue
            counted = RUNS.search(done.stdout) if done.returncode == 0 else None
            before = self._runs.pop(door.name, None)
            if counted is None:
                continue
            self._runs[door.name] = int(counted[1]), ours
            ended = ENDED.search(done.stdout)
            if before and ended and int(counted[1]) > before[0] and ours == before[1]:
                self._ended[door.name] = plain(ended[1], 60), ours
