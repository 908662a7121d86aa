"""cron: two lines of the operator's crontab, where there is no systemd for users."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

from clawkeep.audit.schedulers.job import RUN_S, Job, SchedulerError, run


class Cron:
    """Two lines of the user's crontab: one that says whose it is, and the job's."""

    word = "cron"

    def environment(self) -> dict[str, str]:
        """Return nothing: cron's jobs have no ssh-agent."""
        return {}

    def there(self, name: str) -> bool:
        """Tell whether the crontab has its lines."""
        return any(line.startswith(_mark(name)) for line in self._lines())

    def put(self, job: Job) -> bool:
        """Put its lines at the end, once; others stay as they are."""
        before = self._lines()
        note = f"{_mark(job.name)} this and the next line are `clawkeep audit --schedule`'s"
        after = [*_without(before, job.name), note, self.line(job)]
        return self._written(before, after)

    def remove(self, name: str) -> bool:
        """Take its lines away."""
        before = self._lines()
        return self._written(before, _without(before, name))

    @staticmethod
    def line(job: Job) -> str:
        """Return the job's line. A `%` would end the command: crontab(5)."""
        minute = sum(job.name.encode()) % 60
        variables = [f"{name}={value}" for name, value in job.environment.items()]
        command = shlex.join(["/usr/bin/env", *variables, *job.command])
        log, folder = shlex.quote(str(job.log)), shlex.quote(str(job.folder))
        text = f"cd {folder} && {command} >>{log} 2>&1".replace("%", r"\%")
        return f"{minute} * * * * {text}"

    @staticmethod
    def _lines() -> list[str]:
        """Return the crontab; one that cannot be read is an error: it would be written anew."""
        done = subprocess.run(
            ["crontab", "-l"], capture_output=True, text=True, check=False, timeout=RUN_S,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
        if done.returncode != 0 and not done.stderr.startswith("no crontab for "):
            raise SchedulerError(f"crontab -l: {done.stderr.strip() or done.returncode}")
        return done.stdout.splitlines() if done.returncode == 0 else []

    @staticmethod
    def _written(before: list[str], after: list[str]) -> bool:
        if before == after:
            return False
        run("crontab", "-", text="".join(f"{line}\n" for line in after))
        return True


def _mark(name: str) -> str:
    return f"# {name}:"


def _without(lines: Sequence[str], name: str) -> list[str]:
    """Return the lines without a job's two, wherever they stand."""
    found: list[str] = []
    skip = False
    for line in lines:
        mine = line.startswith(_mark(name))
        if not (skip or mine):
            found.append(line)
        skip = mine
    return found
