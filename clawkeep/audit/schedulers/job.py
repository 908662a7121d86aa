"""What a scheduler is to run, and how schedulers are asked."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

EVERY_S: Final = 3600
RUN_S: Final = 60
MOST_S: Final = 900
"""After so long a job that hangs is ended."""


class SchedulerError(Exception):
    """The scheduler did not do it; the text says what it said."""


@dataclass(frozen=True)
class Job:
    """What is run each hour. `name` tells it from the jobs of other keeps; `log` takes its words.

    `command` is an argv; HOME is set by every scheduler.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)


class Scheduler(Protocol):
    """One scheduler. All raise SchedulerError, OSError."""

    word: str

    def environment(self) -> dict[str, str]:
        """Return what a job of its has in its environment beyond HOME and PATH."""

    def there(self, name: str) -> bool:
        """Tell whether a job of this name is installed, and will run."""

    def put(self, job: Job) -> bool:
        """Install it; return whether anything had to be changed."""

    def remove(self, name: str) -> bool:
        """Take it away; return whether it was there."""


def asked(*command: str) -> str | None:
    """Return what a command prints, None when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def run(*command: str, text: str | None = None) -> None:
    """Run a command with `text` on its stdin. Raises SchedulerError with what it said."""
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, timeout=RUN_S
        )
    except subprocess.TimeoutExpired as error:
        raise SchedulerError(f"{shlex.join(command)}: no end in {RUN_S} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise SchedulerError(f"{shlex.join(command)}: {said}")
