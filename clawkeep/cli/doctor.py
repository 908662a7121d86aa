"""`clawkeep doctor`: the prerequisites and known traps of a real Mac, and what fixes each."""

from __future__ import annotations

import argparse
import json

from clawkeep.cli.here import keep_and_host
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.doctor.gather import gather
from clawkeep.verdict import Verdict


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _run(options: argparse.Namespace) -> int:
    found = keep_and_host()
    if found is None:
        return Verdict.UNKNOWN
    keep, host = found
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
