"""Times how long the guest is away for a snapshot: `python -m bench.snapshot`.

On one fresh keep without an agent, `clawkeep snapshot create` is run in turn. A witness outside
tries all the time to run a program in the guest: its longest time without success is the pause. The
doors are a second figure: from the first failure until the guard has opened them again. What the
host says of its own pause (`pause_s`, which begins with the agent's draining) must not be shorter
than what the witness saw by more than a second, or there is no result.

What the lab cannot tell about a Mac: its guest shuts down and boots in a second or two, where macOS
takes tens of seconds; its clone copies files, where APFS shares blocks at once. So what is measured
here is what Clawkeep adds around shutdown and boot, and not the pause that a Mac will have.
Exit status: command.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from bench.clawkeep_side import Clawkeep
from bench.command import Result, fresh_lab, parser, run, say
from bench.report import Target
from bench.series import FailedError
from lab.lab import Lab
from lab.state import LabError

LIMIT_S = 5.0
GUEST = "guest:nanoclaw-vm"
OPEN_S = 60.0
CREATE = ["/opt/clawkeep/bin/clawkeep", "snapshot", "create", "--json"]
OPENED = 'grep -q \'"state": "open"\' /var/run/clawkeep/enforced.json'


@dataclass
class Witness:
    """Tries the guest until told to end; the moments at which it answered."""

    lab: Lab
    answered: list[float] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Try until told to end."""
        while not self.ending.is_set():
            try:
                done = self.lab.exec(GUEST, ["/usr/bin/true"], timeout=5)
                if done.returncode == 0:
                    self.answered.append(time.monotonic())
            except (LabError, OSError, subprocess.TimeoutExpired):
                pass
            time.sleep(0.02)

    def pause(self) -> tuple[float, float]:
        """Return when it last answered before the longest gap, and how long that was."""
        gaps = zip(self.answered, self.answered[1:], strict=False)
        return max(((a, b - a) for a, b in gaps), key=lambda gap: gap[1])


@dataclass(frozen=True)
class Figure:
    """One snapshot, in seconds: seen outside, until the doors are open, and as the host says."""

    pause_s: float
    doors_s: float
    said_s: float
    command_s: float


def once(lab: Lab) -> Figure:
    """Make a snapshot under the witness's eyes. Raises FailedError."""
    witness = Witness(lab)
    thread = threading.Thread(target=witness.watch)
    thread.start()
    try:
        time.sleep(0.5)
        began = time.monotonic()
        done = lab.exec("host", CREATE, timeout=300)
        ended = time.monotonic()
        if done.returncode != 0:
            raise FailedError(f"snapshot create: {done.stderr[-300:]}")
        while lab.exec("host", ["/bin/sh", "-c", OPENED]).returncode != 0:
            if time.monotonic() - ended > OPEN_S:
                raise FailedError("the doors did not open again")
            time.sleep(0.05)
        opened = time.monotonic()
    finally:
        witness.ending.set()
        thread.join()
    since, pause = witness.pause()
    said = float(json.loads(done.stdout)["pause_s"])
    if said < pause - 1.0:
        raise FailedError(f"the host says {said:.1f} s, and the guest was away for {pause:.1f} s")
    return Figure(pause, opened - since, said, ended - began)


def benchmark(folder: Path, turns: int) -> Result:
    """Return the figures of so many snapshots. Raises FailedError, LabError."""
    project = folder / "keep"
    project.mkdir()
    with fresh_lab() as lab:
        clawkeep = Clawkeep.copied(lab, project)
        say("first converge")
        clawkeep.converge()
        figures = []
        for turn in range(1, turns + 1):
            figures.append(once(lab))
            say(f"turn {turn} of {turns}: away {figures[-1].pause_s:.2f} s")
    lines = [
        f"{what}: {' '.join(f'{getattr(each, name):.2f}' for each in figures)}"
        for what, name in (
            ("guest away", "pause_s"),
            ("until the doors are open", "doors_s"),
            ("as the host says, with draining", "said_s"),
            ("the command", "command_s"),
        )
    ]
    worth = median(each.pause_s for each in figures)
    targets = [Target("snapshot pause in the lab, median, s", worth, LIMIT_S)]
    return Result(lines, targets, [asdict(each) for each in figures])


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__, turns=5).parse_args(arguments)
    return run(lambda folder: benchmark(folder, options.turns), options.json)


if __name__ == "__main__":
    sys.exit(main())
