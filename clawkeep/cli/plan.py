"""`clawkeep plan`: what a converge would change, resource by resource; nothing is changed.

pyinfra's own plan knows operations only, and its `--dry` exits 0 whatever it finds
(reference/pyinfra.md §8). The operations tell here what they found to differ (`roles/told.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from clawkeep import declared, notes
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.cli.verify import rows
from clawkeep.config import ConfigError
from clawkeep.phases import PHASES, UnknownPhaseError, chosen
from clawkeep.target import NoTargetError, target


@dataclass(frozen=True)
class Change:
    """One resource that a converge would change.

    Attributes:
        sign: "+" it comes, "~" it changes, "-" it goes.
        resource: what it is, such as a path or a job's label; "" where the operation is all.
        diff: unified, "" where nothing can be shown.
    """

    machine: str
    operation: str
    sign: str
    resource: str
    why: str
    diff: str


class PlanError(Exception):
    """There is no plan; the text says why."""


def made(phases: Sequence[str]) -> list[Change]:
    """Ask every operation of the phases (none: all) what it would change.

    Raises PlanError.
    """
    pyinfra = Path(sys.executable).with_name("pyinfra")
    command = [str(pyinfra), "inventory.py", "deploy.py", "--dry", "--json"]
    if phases:
        command += ["--data", "phase=" + ",".join(phases)]
    with tempfile.TemporaryDirectory(prefix="clawkeep-plan-") as folder:
        file = Path(folder) / "notes"
        done = subprocess.run(
            command, cwd=declared.project(), env=os.environ | {notes.VARIABLE: str(file)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        lines = file.read_text().splitlines() if file.exists() else []
    try:
        operations = rows(done.stdout)
    except (ValueError, KeyError, TypeError):
        operations = []
    if done.returncode != 0 or not operations:
        said = done.stderr.strip() or f"pyinfra said nothing (exit status {done.returncode})"
        raise PlanError(said)
    told = [Change(**json.loads(line)) for line in lines]
    return list(_whole(operations, told))


def _whole(operations: Iterable[dict[str, object]], told: Sequence[Change]) -> Iterable[Change]:
    """Yield all changes in the operations' order; one that told nothing is a change itself."""
    for operation in operations:
        name, machines = str(operation["operation"]), operation["differs_on"]
        for machine in machines if isinstance(machines, list) else []:
            found = [one for one in told if (one.operation, one.machine) == (name, machine)]
            yield from found or [Change(machine, name, "~", "", "", "")]


def _show(changes: Sequence[Change]) -> None:
    before = None
    for change in changes:
        if (head := (change.machine, change.operation)) != before:
            say(f"{change.operation}  ({change.machine})")
            before = head
        words = ": ".join(word for word in (change.resource, change.why) if word)
        say(f"  {change.sign} {words or 'would run'}")
        for line in change.diff.splitlines():
            say(f"      {line}")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("phases", nargs="*", metavar="PHASE", help=f"one of {', '.join(PHASES)}")
    parser.add_argument("--json", action="store_true", help="print the changes as JSON")


def _run(options: argparse.Namespace) -> int:
    try:
        declared.keep()
        target()
        chosen(",".join(options.phases) if options.phases else None)
        changes = made(options.phases)
    except (ConfigError, NoTargetError, UnknownPhaseError, PlanError) as error:
        explain(str(error))
        return 1
    if options.json:
        say(json.dumps([asdict(change) for change in changes], indent=2))
    else:
        _show(changes)
    counts = ", ".join(
        f"{sum(one.sign == sign for one in changes)} {word}"
        for sign, word in (("+", "to come"), ("~", "to change"), ("-", "to go"))
    )
    explain(counts if changes else "nothing to change")
    return 2 if changes else 0


VERB = Verb(
    summary="show what a converge would change, with diffs; change nothing",
    run=_run,
    arguments=_arguments,
    epilog="exit status: 0 nothing would change, 2 something would, 1 no plan could be made\n\n"
    "example: clawkeep plan network",
)
