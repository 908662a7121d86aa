"""`clawkeep verify`: every operation asked whether it would change anything, nothing changed.

The operations themselves are the checks, in a pyinfra plan: so what is verified is what is applied.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from clawkeep import declared
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config import ConfigError
from clawkeep.phases import PHASES, UnknownPhaseError, chosen
from clawkeep.target import NoTargetError, target


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("phases", nargs="*", metavar="PHASE", help=f"one of {', '.join(PHASES)}")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")


def rows(plan: str) -> list[dict[str, Any]]:
    """Return one row per operation of pyinfra's JSON plan: name, and where it would change.

    Raises ValueError when the text is no such plan: a plan that cannot be read verifies nothing.
    """
    operations = json.loads(plan)["plan"]
    if not operations:
        raise ValueError("the plan is empty")
    return [
        {
            "operation": str(operation["name"]),
            "differs_on": sorted(
                {*operation["hosts_with_change"], *operation["hosts_with_conditional_change"]}
            ),
        }
        for operation in operations
    ]


def _run(options: argparse.Namespace) -> int:
    try:
        declared.keep()
        target()
        chosen(",".join(options.phases) if options.phases else None)
    except (ConfigError, NoTargetError, UnknownPhaseError) as error:
        explain(str(error))
        return 2
    pyinfra = Path(sys.executable).with_name("pyinfra")
    command = [str(pyinfra), "inventory.py", "deploy.py", "--dry", "--json"]
    if options.phases:
        command += ["--data", "phase=" + ",".join(options.phases)]
    done = subprocess.run(
        command, cwd=declared.project(), capture_output=True, text=True, check=False
    )
    try:
        found = rows(done.stdout)
    except (ValueError, KeyError, TypeError):
        explain(done.stderr.strip() or f"pyinfra said nothing (exit status {done.returncode})")
        return 2
    if done.returncode != 0:
        explain(done.stderr.strip())
        return 2
    if options.json:
        say(json.dumps(found, indent=2))
    else:
        for row in found:
            where = ", ".join(row["differs_on"])
            say(
                f"differs  {row['operation']}  ({where})"
                if where
                else f"ok       {row['operation']}"
            )
    differing = sum(bool(row["differs_on"]) for row in found)
    explain(f"{differing} of {len(found)} differ" if differing else f"all {len(found)} as declared")
    return 1 if differing else 0


VERB = Verb(
    summary="ask every operation whether it would change anything; change nothing",
    run=_run,
    arguments=_arguments,
    epilog="exit status: 0 all as declared, 1 something differs, 2 cannot tell\n\n"
    "example: clawkeep verify base",
)
