"""`clawkeep contract`: what the guest may and may not do, in sentences that can be signed."""

from __future__ import annotations

import argparse
import json
import sys

from clawkeep import declared
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config import ConfigError
from clawkeep.explain.contract import Contract
from clawkeep.explain.sides import declared_policy


def _arguments(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print Markdown, to be committed")
    form.add_argument("--json", action="store_true", help="print the sentences as JSON")


def _run(options: argparse.Namespace) -> int:
    try:
        keep = declared.keep()
    except ConfigError as error:
        explain(str(error))
        return 1
    contract = Contract(keep, declared_policy(keep).egress)
    if options.json:
        say(json.dumps(contract.as_json(), indent=2, ensure_ascii=False))
    else:
        sys.stdout.write(contract.markdown() if options.markdown else contract.text())
    return 0


VERB = Verb(
    summary="say in prose what the guest can reach, read and write, and what it never can",
    run=_run,
    arguments=_arguments,
    description="Prints the keep's contract, made of the declaration alone: no machine is asked.\n"
    "The same declaration gives the same text, so a committed contract shows what a change means.",
    epilog="exit status: 0 printed, 1 the declaration is not valid\n\n"
    "example: clawkeep contract --markdown > CONTRACT.md",
)
