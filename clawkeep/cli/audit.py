"""`clawkeep audit`: what is declared, held against what the machines say of themselves."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from clawkeep import declared
from clawkeep.audit.check import Check, Outcome
from clawkeep.audit.report import Report
from clawkeep.audit.scene import Scene
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config import ConfigError
from clawkeep.model import Keep
from clawkeep.target import NoTargetError, target
from clawkeep.verdict import Verdict

EVERY_S = 0.2


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print all results as JSON")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write JUnit XML there, too")
    parser.add_argument(
        "--only", metavar="PATTERN", help="checks whose name holds this, or fits it: 'host/job/*'"
    )
    parser.add_argument(
        "--scheduled", action="store_true", help="say nothing unless it differs from the last audit"
    )
    parser.add_argument("--all", action="store_true", help="show what is as declared, too")


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
    progress = Progress()
    try:
        keep = declared.keep()
        host = target()
        if host.state:
            os.environ.setdefault("CLAWKEEP_STATE", host.state)
        if not sys.stderr.isatty() and not options.scheduled:
            explain(f"auditing {keep.guest.name} on {host.name}")
        report: Report = engine().audit(keep, host, generator(), options.only, progress.told)
    except (ConfigError, NoTargetError, ImportError, LookupError, OSError) as error:
        explain(f"clawkeep audit: {error}" if isinstance(error, LookupError) else str(error))
        return Verdict.UNKNOWN
    finally:
        progress.end()
    if options.junit:
        try:
            options.junit.write_text(report.junit())
        except OSError as error:
            explain(f"--junit {options.junit}: {error.strerror}")
            return Verdict.UNKNOWN
    if options.scheduled and not report.changed:
        return report.verdict
    if options.json:
        say(json.dumps(report.as_json(), indent=2))
    else:
        for line in report.lines(everything=options.all):
            say(line)
    explain(report.summary())
    return report.verdict


VERB = Verb(
    summary="hold everything that is declared against what the machines say of themselves",
    run=_run,
    arguments=_arguments,
    description="Looks, and changes nothing. Each file, job, listener, user, key, package, rule\n"
    "and mount is a check, generated from the declaration; what differs is named: what, expected,\n"
    "found, and since when. The results are kept, and the next audit compares.\n"
    "`pytest tests/audit --hosts=…` runs the same checks, as testinfra tests.",
    epilog="exit status: 0 all as declared, 1 something differs, 2 cannot tell of all\n\n"
    "example: clawkeep audit --junit audit.xml\n"
    "         clawkeep audit --json | jq '.checks[] | select(.state != \"passed\")'\n"
    "         clawkeep audit --only 'host/job/*' --all\n"
    "         0 6 * * * cd ~/clawkeep && .venv/bin/clawkeep audit --scheduled",
)
