"""`clawkeep audit`: what is declared, held against what the machines say of themselves."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from clawkeep import declared, state
from clawkeep.audit import accept, schedule, tell
from clawkeep.audit.check import Check, Outcome
from clawkeep.audit.history import History
from clawkeep.audit.note import PERIODS
from clawkeep.audit.report import Report
from clawkeep.audit.scene import Scene
from clawkeep.cli.here import keep_and_host
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config import ConfigError
from clawkeep.model import Keep
from clawkeep.onhost.plain import plain
from clawkeep.target import NoTargetError, Target
from clawkeep.transport import TransportError
from clawkeep.verdict import Verdict

EVERY_S = 0.2


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print all results as JSON")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write JUnit XML there, too")
    parser.add_argument(
        "--only", metavar="PATTERN", help="checks whose name holds this, or fits it: 'host/job/*'"
    )
    parser.add_argument("--all", action="store_true", help="show what is as declared, too")
    parser.add_argument(
        "--schedule", choices=(*PERIODS, "off", "show"),
        help="have this machine audit by itself, and the host alert when an audit is red or late",
    )  # fmt: skip
    parser.add_argument(
        "--elsewhere", action="store_true",
        help="with --schedule: another machine audits (CI); the host only expects it",
    )  # fmt: skip
    parser.add_argument(
        "--scheduled", action="store_true", help="say nothing unless it differs from the last audit"
    )
    parser.add_argument(
        "--due", choices=tuple(PERIODS), help="do nothing while the last audit is young enough"
    )


def generator() -> Callable[[Keep, Scene], list[Check]]:
    """Return what generates the checks: the roles', which belong to the project and not to us.

    Raises ImportError when the project has no roles.
    """
    folder = str(declared.project().resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found: Any = importlib.import_module("roles.audit")
    return cast("Callable[[Keep, Scene], list[Check]]", found.checks)


def engine() -> Any:
    """Return `clawkeep.audit.run`: it needs testinfra, which no other verb should wait for."""
    return importlib.import_module("clawkeep.audit.run")


class Progress:
    """One line on a terminal that says how far it is; nothing where nobody watches."""

    def __init__(self) -> None:
        self._watched = sys.stderr.isatty()
        self._count = 0
        self._shown = 0.0

    def told(self, of: int, outcome: Outcome) -> None:
        """Count one outcome."""
        self._count += 1
        if self._watched and time.monotonic() > self._shown + EVERY_S:
            self._shown = time.monotonic()
            text = f"{self._count}/{of} {outcome.check.name}"
            sys.stderr.write(f"\r\033[K{text[:78]}")
            sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._watched:
            sys.stderr.write("\r\033[K")


def _run(options: argparse.Namespace) -> int:
    if options.elsewhere and options.schedule not in PERIODS:
        explain(f"clawkeep audit: --elsewhere belongs to --schedule {'|'.join(PERIODS)}")
        return Verdict.UNKNOWN
    found = keep_and_host()
    if found is None:
        return Verdict.UNKNOWN
    if options.schedule:
        return _schedule(*found, options)
    return _audit(*found, options)


def _audit(keep: Keep, host: Target, options: argparse.Namespace) -> int:
    folder = state.folder(host.name, keep.guest.name)
    if options.due and not schedule.due(folder, options.due, time.time()):
        return Verdict.WELL
    said_before = _last_error(folder)
    report = _report(keep, host, options)
    if report is None:
        return Verdict.UNKNOWN
    if options.junit:
        try:
            options.junit.write_text(report.junit())
        except OSError as error:
            explain(f"--junit {options.junit}: {error.strerror}")
            return Verdict.UNKNOWN
    status = _told(host, report, options)
    news = report.error != said_before if report.error else report.changed
    if news or not options.scheduled:
        if options.json:
            say(json.dumps(report.as_json(), indent=2))
        else:
            for line in report.lines(everything=options.all):
                say(line)
        explain(report.summary())
    return status


def _report(keep: Keep, host: Target, options: argparse.Namespace) -> Report | None:
    """Return the audit, None after saying why there is none."""
    progress = Progress()
    try:
        known = accept.here()
        if not sys.stderr.isatty() and not options.scheduled:
            explain(f"auditing {keep.guest.name} on {host.name}")
        made: Report = engine().audit(
            keep, host, generator(), options.only, progress.told, accepted=known
        )
    except (ConfigError, NoTargetError, ImportError, LookupError, OSError) as error:
        explain(f"clawkeep audit: {error}" if isinstance(error, LookupError) else str(error))
        return None
    finally:
        progress.end()
    return made


def _told(host: Target, report: Report, options: argparse.Namespace) -> int:
    """Leave the result of a whole audit on the host; return the exit status.

    Somebody relies on it only where audits are scheduled: the host alerts when none arrives.
    """
    if report.error or options.only:
        return report.verdict
    try:
        tell.ended(host, report)
    except (tell.NotTakenError, TransportError, OSError) as error:
        explain(f"the result is not on the host: {error}")
        if options.scheduled and report.verdict is Verdict.WELL:
            return Verdict.UNKNOWN
    return report.verdict


def _last_error(folder: Path) -> str:
    """Return why the audit before could not look at all: that is said once, not each hour."""
    last = None
    for last in History.journal(folder):  # noqa: B007 - the last one counts
        pass
    return str((last or {}).get("error", ""))


def _schedule(keep: Keep, host: Target, options: argparse.Namespace) -> int:
    try:
        if options.schedule == "off":
            schedule.end(keep, host, explain)
            return Verdict.WELL
        if options.schedule != "show":
            schedule.begin(keep, host, options.schedule, explain, elsewhere=options.elsewhere)
            return Verdict.WELL
        well, data, lines = schedule.shown(keep, host)
    except (schedule.ScheduleError, OSError) as error:
        explain(f"clawkeep audit --schedule {options.schedule}: {error}")
        return Verdict.UNKNOWN
    if options.json:
        say(json.dumps(data, indent=2))
    else:
        for line in lines:
            say(plain(line, 400))
    return Verdict.WELL if well else Verdict.BAD


VERB = Verb(
    summary="hold everything that is declared against what the machines say of themselves",
    run=_run,
    arguments=_arguments,
    description="Looks, and changes nothing but the note of its result on the host. Each file,\n"
    "job, listener, user, key, package, rule and mount is a check, made from the declaration;\n"
    "what differs is named: what, expected, found, and since when. The results are kept, and the\n"
    "next audit compares.\n"
    "`pytest tests/audit --hosts=…` runs the same checks, as testinfra tests.\n"
    "What audit.yml accepts until a day is shown apart. --schedule: docs/how-to/audit.md",
    epilog="exit status: 0 all as declared, 1 something differs, 2 cannot tell of all; of\n"
    "--schedule: 0 done or well, 1 none is expected or it is late (show), 2 not done\n\n"
    "example: clawkeep audit --junit audit.xml\n"
    "         clawkeep audit --json | jq '.checks[] | select(.state != \"passed\")'\n"
    "         clawkeep audit --only 'host/job/*' --all\n"
    "         clawkeep audit --schedule daily",
)
