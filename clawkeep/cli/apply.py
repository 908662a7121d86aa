"""`clawkeep apply`: the converge, with an exit status that can be believed.

pyinfra exits 0 after Ctrl-C, for an unknown inventory name and for a limit that matches nothing
(reference/pyinfra.md §8). This verb runs the same command and reports those as failures.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

from clawkeep import declared
from clawkeep.cli.verb import Verb, explain
from clawkeep.config import ConfigError
from clawkeep.phases import PHASES, UnknownPhaseError, chosen
from clawkeep.target import NoTargetError, target


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("phases", nargs="*", metavar="PHASE", help=f"one of {', '.join(PHASES)}")
    parser.add_argument("--dry", action="store_true", help="plan only; no machine is changed")
    parser.add_argument("--limit", action="append", default=[], help="one host or group")


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
    try:
        process = subprocess.Popen(command(options), cwd=declared.project())
        return process.wait()
    except KeyboardInterrupt:
        if process is not None:
            # The terminal has sent the same signal to pyinfra, which then exits 0.
            process.send_signal(signal.SIGINT)
            process.wait()
        explain("interrupted: what was done stays; run again to finish")
        return 130


VERB = Verb(
    summary="converge the keep to its declaration",
    run=_run,
    arguments=_arguments,
    epilog="exit status: 0 converged, 1 a machine failed, 2 nothing was tried, 75 another run is\n"
    "at work, 130 interrupted\n\n"
    "example: clawkeep apply network",
)
