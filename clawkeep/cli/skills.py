"""`clawkeep skills`: what the guest can do, and whether that was proved."""

from __future__ import annotations

import argparse
import json

from clawkeep.cli.here import keep_and_host
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config.message import guess_key
from clawkeep.skills import registry
from clawkeep.skills.gather import gather
from clawkeep.skills.wanted import wanted
from clawkeep.verdict import Verdict


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--probe", metavar="NAME", help="prove this skill anew first; `all` proves every one"
    )
    parser.add_argument("--json", action="store_true", help="print the matrix as JSON")
    parser.add_argument("--known", action="store_true", help="list the skills that there are")


def _run(options: argparse.Namespace) -> int:
    if options.known:
        for name, skill in registry().items():
            say(f"{name:14} {skill.summary}")
        return Verdict.WELL
    found = keep_and_host()
    if found is None:
        return Verdict.UNKNOWN
    keep, host = found
    skills = wanted(keep)
    if not skills:
        explain("no skill is declared: `skills` in group_data/all.py is empty")
        return Verdict.WELL
    anew = [one for one in skills if options.probe in {one.name, "all"}]
    if options.probe and not anew:
        names = [one.name for one in skills]
        near = guess_key(options.probe, names)
        hint = f"; did you mean {near!r}?" if near else f"; declared are {', '.join(names)}"
        explain(f"clawkeep skills: no skill {options.probe!r} is declared{hint}")
        return Verdict.UNKNOWN
    report = gather(keep, host, skills, anew)
    if options.json:
        say(json.dumps(report.as_json(), indent=2))
    else:
        for line in report.lines():
            say(line)
        words = {0: "all skills are proved", 1: "a skill does not work", 2: "cannot tell of all"}
        explain(words[report.verdict])
    return report.verdict


VERB = Verb(
    summary="show what the guest can do, and whether that was proved",
    run=_run,
    arguments=_arguments,
    description="A skill is installed, configured and proved. The proof is a small program that\n"
    "runs in the guest as its user and does what the agent would do. What only a Mac can tell\n"
    "(sound, Calendar, GPU) is never shown as proved elsewhere.",
    epilog="exit status: 0 all proved, 1 something is missing or does not work, 2 cannot tell\n\n"
    "example: clawkeep skills --probe gh\n"
    "         clawkeep skills --json | jq '.skills[] | select(.verdict != \"well\")'",
)
