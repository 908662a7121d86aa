"""`clawkeep bridges`: what goes through the doors right now."""

from __future__ import annotations

import argparse

from clawkeep.cli.verb import Verb
from clawkeep.remote import pass_on


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the bridges as JSON")


def _run(options: argparse.Namespace) -> int:
    return pass_on(["bridges", *(["--json"] if options.json else [])])


VERB = Verb(
    summary="show every bridge and its live connections",
    run=_run,
    arguments=_arguments,
    description="Show every bridge: declared or granted, its job, where it listens, who is\n"
    "connected and since when, how many it has accepted, and its last error.",
    epilog="exit status: 0 all listen, 1 one does not (or one is there that nobody declared), "
    "2 cannot tell\n\nexample: clawkeep bridges --json | jq '.bridges[].connections'",
)
