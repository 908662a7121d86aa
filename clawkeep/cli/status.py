"""`clawkeep status`: host, guest, and every door with a real probe from inside the guest."""

from __future__ import annotations

import argparse
import json
import os

from clawkeep import declared
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config import ConfigError
from clawkeep.status.gather import gather
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
    report = gather(keep, host, declared.allowlist().parent)
    if options.json:
        say(json.dumps(report.as_json(), indent=2))
    else:
        for line in report.lines():
            say(line)
        explain({0: "all is well", 1: "something is not well", 2: "cannot tell"}[report.verdict])
    return report.verdict


VERB = Verb(
    summary="show how the host, the guest, its agent and every door are",
    run=_run,
    arguments=_arguments,
    epilog="exit status: 0 all well, 1 something is not, 2 cannot tell\n\n"
    "example: clawkeep status --json | jq .doors",
)
