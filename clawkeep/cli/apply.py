"""`clawkeep apply`: the converge, with an exit status that can be believed.

pyinfra exits 0 after Ctrl-C, for an unknown inventory name and for a limit that matches nothing
(reference/pyinfra.md §8). This verb runs the same command and reports those as failures.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from clawkeep import declared, state
from clawkeep.cli import progress
from clawkeep.cli.verb import Verb, explain
from clawkeep.config import ConfigError
from clawkeep.phases import PHASES, UnknownPhaseError, chosen
from clawkeep.target import NoTargetError, Target, target


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("phases", nargs="*", metavar="PHASE", help=f"one of {', '.join(PHASES)}")
    parser.add_argument("--dry", action="store_true", help="plan only; no machine is changed")
    parser.add_argument("--limit", action="append", default=[], help="one host or group")
    parser.add_argument(
        "--verbose", action="store_true", help="show all that pyinfra says, as in a pipe"
    )


def command(options: argparse.Namespace) -> list[str]:
    """Return the pyinfra command line."""
    python = Path(sys.executable)
    line = [str(python.with_name("pyinfra")), "inventory.py", "deploy.py"]
    line.append("--dry" if options.dry else "-y")
    if options.phases:
        line += ["--data", "phase=" + ",".join(options.phases)]
    for limit in options.limit:
        line += ["--limit", limit]
    return line


def _run(options: argparse.Namespace) -> int:
    try:
        keep, host = declared.keep(), target()
        chosen(",".join(options.phases) if options.phases else None)
    except (ConfigError, NoTargetError, UnknownPhaseError) as error:
        explain(str(error))
        return 2
    known = {"hosts", "guests", host.name, f"@tart/{keep.guest.name}"}
    if unknown := [name for name in options.limit if name not in known]:
        explain(f"--limit {unknown[0]}: matches nothing; known: {', '.join(sorted(known))}")
        return 2
    # pyinfra listens even where SIGINT was ignored (`clawkeep apply &` in a script), so must this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = None
    short = sys.stderr.isatty() and not options.verbose
    try:
        process = subprocess.Popen(
            command(options),
            cwd=declared.project(),
            stdout=subprocess.PIPE if short else None,
            stderr=subprocess.STDOUT if short else None,
            text=True,
            errors="replace",
        )
        if process.stdout is not None:
            _follow(process.stdout, host)
        return process.wait()
    except KeyboardInterrupt:
        if process is not None:
            # The terminal has sent the same signal to pyinfra, which then exits 0.
            process.send_signal(signal.SIGINT)
            if process.stdout is not None:
                sys.stderr.writelines(process.stdout)
            process.wait()
        explain("interrupted: what was done stays; run again to finish")
        return 130


def _follow(lines: Iterable[str], host: Target) -> None:
    """Show a run on the terminal, and keep all that it says."""
    if host.state:
        os.environ.setdefault("CLAWKEEP_STATE", host.state)
    path = state.folder(host.name) / "apply.log"
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as log:
        told = progress.follow(lines, log, Console(stderr=True))
    if told.troubled:
        explain(f"all that was said: {path}")


VERB = Verb(
    summary="converge the keep to its declaration",
    run=_run,
    arguments=_arguments,
    epilog="exit status: 0 converged, 1 a machine failed, 2 nothing was tried, 75 another run is\n"
    "at work, 130 interrupted\n\n"
    "example: clawkeep apply network",
)
