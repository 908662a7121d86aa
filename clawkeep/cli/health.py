"""`clawkeep health`: what the watcher on the host sees, layer by layer, and what it repairs."""

from __future__ import annotations

import argparse
import json

from clawkeep.cli.here import keep_and_host
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.status.health import gather
from clawkeep.verdict import Verdict


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--now", action="store_true", help="have the watcher look first")


def _run(options: argparse.Namespace) -> int:
    found = keep_and_host()
    if found is None:
        return Verdict.UNKNOWN
    keep, host = found
    report = gather(keep, host, now=options.now)
    if options.json:
        say(json.dumps(report.as_json(), indent=2))
        return report.verdict
    for line in report.lines():
        say(line)
    explain(report.summary)
    return report.verdict


VERB = Verb(
    summary="show what the watcher on the host sees, layer by layer, and what it repairs",
    run=_run,
    arguments=_arguments,
    description="Prints the record of the host's watcher: each layer from the Mac to the agent,\n"
    "the cause of what is wrong, and the repair that is under way. Asks the host once, the guest\n"
    "never (--now has the watcher do so).",
    epilog="exit status: 0 all well, 1 something is not (or nobody watches), 2 cannot tell\n\n"
    "example: clawkeep health --json | jq '.layers[] | select(.verdict != \"well\")'",
)
