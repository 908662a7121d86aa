"""`clawkeep check`: reads the declaration and says everything that is wrong with it."""

from __future__ import annotations

import argparse
import json

from clawkeep import declared
from clawkeep.audit import accept
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config import ConfigError


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the declared keep as JSON")


def _run(options: argparse.Namespace) -> int:
    try:
        keep = declared.keep()
        accept.here()
    except ConfigError as error:
        explain(str(error))
        return 1
    for warning in keep.warnings:
        explain(f"warning: {warning}")
    if options.json:
        say(json.dumps(keep.model_dump(mode="json"), indent=2))
    else:
        say(f"{len(keep.services)} services, guest {keep.guest.name}, digest {keep.digest[:12]}")
    return 0


VERB = Verb(
    summary="read the declaration; say everything that is wrong with it",
    run=_run,
    arguments=_arguments,
    epilog="exit status: 0 valid, 1 not\n\nexample: clawkeep check",
)
