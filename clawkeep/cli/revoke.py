"""`clawkeep revoke`: ends a grant, and every connection through it."""

from __future__ import annotations

import argparse

from clawkeep.cli.verb import Verb
from clawkeep.remote import operator, pass_on


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="what the grant is called; `clawkeep grants` lists them")


def _run(options: argparse.Namespace) -> int:
    return pass_on(["revoke", "--who", operator(), "--", options.name], timeout_s=90)


VERB = Verb(
    summary="close a door that was opened for a time",
    run=_run,
    arguments=_arguments,
    description="End a grant now, and every connection through it. A service of the allowlist is\n"
    "closed by taking it out of allowlist.yml.",
    epilog="exit status: 0 closed, 1 there is no such grant or it could not be closed, "
    "2 cannot tell\n\nexample: clawkeep revoke printer",
)
