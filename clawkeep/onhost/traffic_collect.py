"""`clawkeep traffic collect`: everything new in the logs and at pf becomes rows, once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clawkeep.onhost import paths, world
from clawkeep.onhost.traffic_digest import write_digests
from clawkeep.onhost.traffic_journal import Journal
from clawkeep.onhost.traffic_logs import Log, forget, logs, opened_folder, read
from clawkeep.onhost.traffic_report import prune
from clawkeep.onhost.traffic_rotate import rotate
from clawkeep.policy import PolicyError
from clawkeep.render.anchor import ANCHOR, WALL
from clawkeep.render.bridge import process_mark
from clawkeep.traffic.counters import Counter, Key, counters, moved

PFCTL = "/sbin/pfctl"

LOCK = paths.RUN / "traffic.lock"
"""Two collectors at once would read the same lines: the second one waits."""


@dataclass
class Collected:
    """What a run did: lines of no known form, rotations, digests, and what could not be done."""

    strange: int = 0
    said: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


Ps = Callable[[], str]
Pf = Callable[[str], str]


def collect(
    journal: Journal,
    *,
    now: float,
    folder: Path = paths.LOGS,
    ps: Ps | None = None,
    pf: Pf | None = None,
    housekeeping: bool = True,
) -> Collected:
    """Bring the journal up to date; hold `LOCK` around it. `now` is Unix seconds.

    `ps` and `pf` stand for the system's programs. With `housekeeping` logs are rotated, old rows
    pruned and digests written. One log that cannot be read does not keep the others from it.
    Raises sqlite3.Error, OSError for the journal itself.
    """
    done = Collected()
    done.problems += _count(journal, pf or _pfctl, now)
    with opened_folder(folder) as handle:
        found = [] if handle is None else logs(handle)
        _forget_lost(journal, found)
        if handle is not None:
            _read_all(journal, handle, found, ps or _ps, done)
        if handle is not None and housekeeping:
            try:
                done.said += rotate(journal, handle, found, now=now, folder=folder)
            except (OSError, RuntimeError, PolicyError, subprocess.SubprocessError) as error:
                done.problems.append(f"rotation: {error}")
    if housekeeping:
        prune(journal, now)
        done.digests += write_digests(journal, now)
    return done


def _read_all(journal: Journal, handle: int, found: list[Log], ps: Ps, done: Collected) -> None:
    for log in found:
        try:
            done.strange += read(journal, handle, log, _reaper(ps, log))
        except FileNotFoundError:
            continue
        except (OSError, subprocess.SubprocessError) as error:
            done.problems.append(f"{log.name}: {error}")


def _reaper(ps: Ps, log: Log) -> Callable[[set[int]], set[int]]:
    """Return what finds connections whose process was killed, so that no end was noted."""
    mark = process_mark(log.service or "")

    def gone(pids: set[int]) -> set[int]:
        if not pids:
            return set()
        rows = (line.split() for line in ps().splitlines())
        # By its mark: a process id can be somebody else's by now.
        return pids - {int(row[0]) for row in rows if row and row[0].isdigit() and mark in row}

    return gone


def _ps() -> str:
    done = world.run(["/bin/ps", "-axww", "-o", "pid=,command="])
    if done.returncode != 0 or not done.stdout.strip():
        raise OSError(f"ps: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _pfctl(anchor: str) -> str:
    done = world.run([PFCTL, "-a", anchor, "-vsr"])
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if "ALTQ" not in line]
        raise RuntimeError(" ".join(said).strip() or f"exit status {done.returncode}")
    return done.stdout


def _count(journal: Journal, pf: Pf, now: float) -> list[str]:
    """Note which of pf's counters moved; return what could not be read."""
    after: dict[Key, Counter] = {}
    problems = []
    for anchor in (ANCHOR, WALL):
        try:
            after |= counters(anchor, pf(anchor))
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            problems.append(f"pf's counters of {anchor}: {error}")
    before = journal.counters()
    if any(before.get(key) != counter for key, counter in after.items()):
        with journal.writing():
            journal.add(moved(before, after, now=now))
            journal.remember(after)
    return problems


def _forget_lost(journal: Journal, found: list[Log]) -> None:
    there = {log.file for log in found}
    for file, mark in journal.bookmarks().items():
        if file not in there:
            forget(journal, file, mark)
