"""launchd's jobs in the session of the guest's owner: loaded, unloaded, looked at.

As roles/launchd.py does it, with launchd's habits: `bootout` returns while the job still drains,
and `bootstrap` fails with 5 until then. Source: reference/macos.md §4.2.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from clawkeep.onhost import world
from clawkeep.onhost.plain import plain
from clawkeep.policy import Policy
from clawkeep.snapshots.errors import SnapshotError

LAUNCHCTL = "/bin/launchctl"
BOOTSTRAP_TRIES = 6

DRAIN_S = 240.0
"""launchd gives the guest's supervisor 180 s; it cuts the power of a guest that never listens."""


class OwnersJobs:
    """The jobs of the owner's GUI session; there are none while nobody is logged in."""

    def __init__(self, policy: Policy) -> None:
        self.owner, self.domain = policy.owner, f"gui/{policy.owner_uid}"

    def loaded(self, label: str) -> bool:
        """Tell whether launchd knows a job; also one that still drains. Raises SnapshotError."""
        return _run("print", f"{self.domain}/{label}").returncode == 0

    def unload(self, label: str) -> None:
        """Have a job unloaded and its process gone. Raises SnapshotError."""
        _run("bootout", f"{self.domain}/{label}", timeout_s=DRAIN_S)
        if not wait(lambda: not self.loaded(label), DRAIN_S, 0.1):
            raise SnapshotError(f"{self.domain}/{label} still drains after {DRAIN_S:.0f} s")

    def load(self, label: str, plist: str) -> None:
        """Have a job loaded, unless it is. Raises SnapshotError."""
        if self.loaded(label):
            return
        if not Path(plist).exists():
            raise SnapshotError(f"{plist} is missing; converge the phase base, which lays it down")
        _run("enable", f"{self.domain}/{label}")
        for left in reversed(range(BOOTSTRAP_TRIES)):
            done = _run("bootstrap", self.domain, plist)
            # A converge, or a login, may have loaded it meanwhile.
            if done.returncode == 0 or self.loaded(label):
                return
            if left:
                time.sleep(1)
        said = plain((done.stderr or done.stdout).strip(), 200)
        raise SnapshotError(
            f"launchctl bootstrap {self.domain} {plist}: {said}; is {self.owner} logged in at the "
            "Mac?"
        )

    @staticmethod
    def kick(label: str) -> None:
        """Have a job of the system run now, unless it runs. Raises SnapshotError."""
        _run("kickstart", f"system/{label}")


def wait(over: Callable[[], bool], most_s: float, pause_s: float = 0.5) -> bool:
    """Wait until `over()`, at most so many seconds; return whether it came to that."""
    deadline = time.monotonic() + most_s
    while not over():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause_s)
    return True


def _run(*words: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    try:
        return world.run([LAUNCHCTL, *words], timeout_s=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise SnapshotError(
            f"launchctl {' '.join(words)}: no end after {timeout_s:.0f} s"
        ) from error
