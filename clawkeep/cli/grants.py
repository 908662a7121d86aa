"""`clawkeep grants`: the doors that are open for a time."""

from __future__ import annotations

import argparse

from clawkeep.cli.verb import Verb
from clawkeep.remote import pass_on


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the grants as JSON")


def _run(options: argparse.Namespace) -> int:
    return pass_on(["grants", *(["--json"] if options.json else [])])


VERB = Verb(
    summary="list the doors that are open for a time",
    run=_run,
    arguments=_arguments,
    epilog="exit status: 0, 2 cannot tell\n\nexample: clawkeep grants --json | jq '.grants[].name'",
)
