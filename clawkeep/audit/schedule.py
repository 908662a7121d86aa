"""`clawkeep audit --schedule`: a job of this machine that audits, and a host that misses it.

Not the host: an audit by whoever is audited proves nothing, it needs testinfra, the declaration and
the key of the guest, and root there must run nothing that a user can write. The host only knows
when the next audit is late, and alerts.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from clawkeep import declared, state
from clawkeep.agent.report import span
from clawkeep.audit import schedulers, tell
from clawkeep.audit.history import History
from clawkeep.audit.note import PERIODS, Note
from clawkeep.audit.schedulers import Job, Scheduler, SchedulerError
from clawkeep.model import Keep
from clawkeep.onhost.plain import plain
from clawkeep.target import Target
from clawkeep.transport import TransportError

EARLY_S: Final = 1800.0
"""An audit is due so much before its period is over: else it would move by an hour each day."""

TRIAL_S: Final = 600
PATH: Final = "/usr/bin:/bin:/usr/sbin:/sbin"
PASSED_ON: Final = (
    "CLAWKEEP_HOST", "CLAWKEEP_LAB", "CLAWKEEP_LAB_ROOT", "CLAWKEEP_STATE", "CLAWKEEP_ALLOWLIST",
    "XDG_STATE_HOME",
)  # fmt: skip
"""What says which keep it is; no secret is ever among them."""

Say = Callable[[str], None]


class ScheduleError(Exception):
    """It was not scheduled, and nothing is left of it; the text says why."""


def due(folder: Path, period: str, now: float) -> bool:
    """Tell whether an audit is due by the results in a keep's state folder.

    One that could not tell of all is made again, and so is one that a wrong clock dated ahead.
    """
    last: dict[str, Any] = {}
    for line in History.journal(folder):
        if not line.get("only") and not line.get("error") and line.get("verdict") != "unknown":
            last = line
    try:
        age = now - datetime.fromisoformat(str(last.get("at"))).timestamp()
    except ValueError:
        return True
    return not 0 <= age < PERIODS[period] - EARLY_S


def job(keep: Keep, target: Target, period: str, scheduler: Scheduler) -> Job:
    """Return the job of this keep on this machine. Raises ScheduleError."""
    project = declared.project().resolve()
    program = Path(sys.executable).with_name("clawkeep")
    if not os.access(program, os.X_OK):
        raise ScheduleError(f"{program} is not there: install Clawkeep with `make .venv/ready`")
    kept = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    for name in ("CLAWKEEP_STATE", "CLAWKEEP_ALLOWLIST"):
        if name in kept:
            kept[name] = str(Path(kept[name]).resolve())
    folder = state.folder(target.name, keep.guest.name)
    return Job(
        name_of(keep, target, project),
        (str(program), "audit", "--scheduled", "--due", period),
        project,
        folder / "audit.log",
        {"PATH": PATH, "CLAWKEEP_PROJECT": str(project), **kept, **scheduler.environment()},
    )


def name_of(keep: Keep, target: Target, project: Path) -> str:
    """Return the job's name, another one for each keep and project."""
    about = f"{target.name}\0{keep.guest.name}\0{project}"
    return f"com.clawkeep.audit.{hashlib.sha256(about.encode()).hexdigest()[:8]}"


def begin(keep: Keep, target: Target, period: str, say: Say, *, elsewhere: bool = False) -> None:
    """Have an audit made each `period`, here, or `elsewhere` by whoever does it (CI).

    The first is made at once, as the scheduler will make it: without a terminal, without what a
    login shell sets. Raises ScheduleError when it does not arrive at the host.
    """
    try:
        if elsewhere:
            tell.expect(target, PERIODS[period])
            say(f"{target.name} expects an audit {period}; this machine makes none by itself")
            _heard(keep, say)
            return
        scheduler = schedulers.here(platform.system())
        made = job(keep, target, period, scheduler)
        say("a first audit, as the scheduler will make it")
        _tried(made, target)
        tell.expect(target, PERIODS[period])
        changed = scheduler.put(made)
    except (SchedulerError, tell.NotTakenError, TransportError, OSError) as error:
        raise ScheduleError(str(error)) from error
    how = "is installed" if changed else "was there already"
    say(f"an audit {period}, by {scheduler.word}: the job {made.name} {how}; log: {made.log}")
    if scheduler.word == "systemd" and not _lingers():
        say("it runs while you are logged in; for ever after: loginctl enable-linger")
    _heard(keep, say)


def _heard(keep: Keep, say: Say) -> None:
    if not keep.alerts:
        say("nobody is alerted, only `clawkeep status` shows it: declare `alerts` (docs/how-to/"
            "alerts.md)")  # fmt: skip


def _tried(made: Job, target: Target) -> None:
    """Run the job once, and see that the host has its result. Raises ScheduleError."""
    before, _ = tell.known(target)
    command = made.command[: made.command.index("--due")]
    home = {"HOME": str(Path.home()), "USER": os.environ.get("USER", "")}
    try:
        done = subprocess.run(
            command, cwd=made.folder, env={**home, **made.environment}, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=TRIAL_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ScheduleError(f"the first audit did not end in {TRIAL_S} s") from error
    after, _ = tell.known(target)
    if after.last is None or after.last == before.last:
        said = plain((done.stderr or done.stdout).strip()[-600:].replace("\n", "; "), 600)
        raise ScheduleError(
            f"the first audit did not arrive (exit status {done.returncode}): {said}; a job has no "
            "ssh-agent of yours, and nobody types a passphrase: see docs/how-to/audit.md"
        )


def end(keep: Keep, target: Target, say: Say) -> None:
    """Have none made any more: the job goes, then the host expects none. Raises ScheduleError."""
    try:
        name = name_of(keep, target, declared.project().resolve())
        scheduler = schedulers.here(platform.system())
        gone = scheduler.remove(name)
        say(f"the job {name} is taken away" if gone else "this machine had no such job")
        tell.expect(target, None)
        say(f"{target.name} expects no audit any more")
    except (SchedulerError, tell.NotTakenError, TransportError, OSError) as error:
        raise ScheduleError(str(error)) from error


def shown(keep: Keep, target: Target) -> tuple[bool, Mapping[str, Any], Iterator[str]]:
    """Return whether audits come as they should, the same as data, and as lines.

    Raises ScheduleError when the host cannot be asked.
    """
    name = name_of(keep, target, declared.project().resolve())
    try:
        scheduler = schedulers.here(platform.system())
        mine, by = scheduler.there(name), scheduler.word
    except SchedulerError as error:
        mine, by = False, str(error)
    try:
        note, now = tell.known(target)
    except (tell.NotTakenError, TransportError, OSError) as error:
        raise ScheduleError(str(error)) from error
    late = note.due(now)
    overdue = late is not None and now > late
    data = {
        "job": name if mine else None,
        "scheduler": by,
        "expected": asdict(note.schedule) if note.schedule else None,
        "last": asdict(note.last) if note.last else None,
        "overdue": overdue,
    }
    return note.schedule is not None and not overdue, data, _lines(name, mine, by, note, now)


def _lines(name: str, mine: bool, by: str, note: Note, now: float) -> Iterator[str]:
    yield f"JOB   {f'{name}, by {by}' if mine else f'none on this machine ({by})'}"
    if note.schedule is None:
        yield "HOST  expects no audit: clawkeep audit --schedule daily"
    else:
        every = span(note.schedule.every_s)
        yield f"HOST  expects one every {every}, by {note.schedule.who}"
        late = note.due(now)
        if late is not None:
            when = f"in {span(late - now)}" if late > now else f"{span(now - late)} ago: OVERDUE"
            yield f"DUE   alerts {when}"
    last = note.last
    if last is None:
        yield "LAST  never"
    else:
        counts = f"{last.passed} as declared, {last.failed} differ, {last.unknown} cannot be told"
        yield (
            f"LAST  {span(max(0.0, now - last.t))} ago by {last.who}: {last.verdict}; {counts}, "
            f"{last.accepted} accepted"
        )


def _lingers() -> bool:
    done = subprocess.run(
        ["loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() == "yes"
