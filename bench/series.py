"""Wall times of whole processes."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TIMEOUT_S = 900


class FailedError(Exception):
    """A command that is measured did not do its work: there is no figure."""


@dataclass(frozen=True)
class Run:
    """One process from its start to its end."""

    seconds: float
    output: str


def timed(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Run:
    """Run a command to its end, its output as one text. Raises FailedError unless it exits 0."""
    started = time.perf_counter()
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailedError(str(error)) from error
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        tail = done.stdout[-4000:]
        raise FailedError(f"{' '.join(command)}: exit status {done.returncode}\n{tail}")
    return Run(seconds, done.stdout)


@dataclass
class Series:
    """The wall times of one command, in seconds."""

    name: str
    seconds: list[float] = field(default_factory=list)

    def add(self, run: Run) -> None:
        """Take one more run."""
        self.seconds.append(run.seconds)

    @property
    def median(self) -> float:
        """The middle of all runs."""
        return statistics.median(self.seconds)

    def as_json(self) -> dict[str, object]:
        """Return every figure, and those that stand for them."""
        return {
            "n": len(self.seconds),
            "min_s": round(min(self.seconds), 3),
            "median_s": round(self.median, 3),
            "max_s": round(max(self.seconds), 3),
            "all_s": [round(value, 3) for value in self.seconds],
        }
