"""`clawkeep doctor`: the prerequisites and known traps of a real Mac, and what fixes each."""

from __future__ import annotations

import argparse
import json
import os

from clawkeep import declared
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config import ConfigError
from clawkeep.doctor.gather import gather
from clawkeep.target import NoTargetError, target
from clawkeep.verdict import Verdict


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _run(options: argparse.Namespace) -> int:
    try:
        keep = declared.keep()
        host = target()
    except (ConfigError, NoTargetError) as error:
        explain(str(error))
        return Verdict.UNKNOWN
    if host.state:
        os.environ.setdefault("CLAWKEEP_STATE", host.state)
    report = gather(keep, host)
    if options.json:
        say(json.dumps(report.as_json(), indent=2))
    else:
        for line in report.lines():
            say(line)
        explain({0: "all is well", 1: "something is bad", 2: "cannot tell"}[report.verdict])
    return report.verdict


VERB = Verb(
    summary="check the prerequisites and known traps of the Mac and its guest",
    run=_run,
    arguments=_arguments,
    description="Looks, and changes nothing: works before the first converge, too. Each row says\n"
    "what was measured and, unless it is ok, what fixes it. What only Apple's hardware can show\n"
    "says `needs a Mac`, and is never ok elsewhere.",
    epilog="exit status: 0 all ok, 1 something is bad, 2 cannot tell, or a row needs a Mac\n\n"
    "example: clawkeep doctor --json | jq '.rows[] | select(.verdict != \"ok\")'",
)
