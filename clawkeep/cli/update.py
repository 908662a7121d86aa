"""`clawkeep update`: what is newer, and how it is applied, probed and undone."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict

from pyinfra.api.exceptions import PyinfraError

from clawkeep import declared
from clawkeep.cli.verb import Verb, actions, explain, say
from clawkeep.config import ConfigError
from clawkeep.remote import operator
from clawkeep.target import NoTargetError, target
from clawkeep.updates import SelectionError, selected, work
from clawkeep.updates.gather import gather
from clawkeep.updates.mac import DeclaredKeep
from clawkeep.updates.work import NotBegunError, UpdateError
from connectors.turn import BUSY, BusyError


def _arguments(parser: argparse.ArgumentParser) -> None:
    found = actions(
        parser,
        {
            "plan": "show what is newer, and what `apply` would do; change nothing",
            "apply": "snapshot, upgrade, probe; back to the snapshot when anything is worse",
            "begin": "snapshot for what you are going to change by hand",
            "finish": "probe what you changed; back to the snapshot when anything is worse",
            "resume": "finish or undo what was interrupted",
            "status": "show what is under way",
        },
    )
    for name in ("plan", "status"):
        found[name].add_argument("--json", action="store_true", help="print it as JSON")
    found["apply"].add_argument(
        "what", nargs="*", metavar="KIND[:NAME]", help="only these, such as brew or brew:jq"
    )
    found["apply"].add_argument(
        "--major", action="append", default=[], metavar="KIND:NAME", help="this major, too"
    )
    found["begin"].add_argument("--reason", required=True, help="what you are going to do")
    found["resume"].add_argument(
        "--forget", action="store_true", help="take the journal away and look at nothing"
    )


def _run(options: argparse.Namespace) -> int:
    try:
        declaration, host = declared.keep(), target()
    except (ConfigError, NoTargetError) as error:
        explain(str(error))
        return 1
    if host.state:
        os.environ.setdefault("CLAWKEEP_STATE", host.state)
    keep = DeclaredKeep(declaration, host)
    try:
        return _done(keep, options)
    except BusyError as busy:
        explain(f"clawkeep update {options.action}: {busy}")
        return BUSY
    except (SelectionError, UpdateError, PyinfraError) as error:
        explain(f"clawkeep update {options.action}: {error}")
        return 1
    except KeyboardInterrupt:
        explain("interrupted; `clawkeep update status` says whether something is under way")
        return 130


def _done(keep: DeclaredKeep, options: argparse.Namespace) -> int:
    if options.action == "plan":
        return _plan(keep, as_json=options.json)
    if options.action == "status":
        return _status(keep, as_json=options.json)
    with keep.turn(options.action):
        return _change(keep, options)


def _plan(keep: DeclaredKeep, *, as_json: bool) -> int:
    plan = gather(keep.keep, keep.target)
    if as_json:
        say(json.dumps(plan.as_json(), indent=2))
    else:
        for line in plan.lines():
            say(line)
    count = len(plan.updates)
    lacks = f"; {len(plan.unknown)} could not be learned" if plan.unknown else ""
    explain(f"{count} update{'s' * (count != 1)}{lacks}" if plan.status else "nothing is newer")
    return plan.status


def _status(keep: DeclaredKeep, *, as_json: bool) -> int:
    entry = keep.journal()
    if as_json:
        say(json.dumps(asdict(entry) if entry else None, indent=2))
    elif entry is None:
        say("nothing is under way")
    else:
        say(f"{entry.reason}: {entry.stage}, by {entry.who}; from before is {entry.snapshot}")
        verb = "finish" if entry.stage == "by hand" else "resume"
        explain(f"`clawkeep update {verb}` ends it")
    return 1 if entry else 0


def _change(keep: DeclaredKeep, options: argparse.Namespace) -> int:
    if options.action == "resume":
        if options.forget:
            keep.clear(f"forgotten by {operator()}: what was under way stays as it is")
        explain("forgotten" if options.forget else work.resume(keep, explain))
    elif options.action == "begin":
        entry = work.begin(keep, options.reason, operator(), explain)
        explain(f"do it, then `clawkeep update finish`; {entry.snapshot} is from before")
    elif options.action == "finish":
        explain(work.finish(keep, explain))
    else:
        return _apply(keep, options)
    return 0


def _apply(keep: DeclaredKeep, options: argparse.Namespace) -> int:
    if there := keep.journal():
        raise NotBegunError(
            f"{there.reason!r} is under way ({there.stage}): clawkeep update "
            f"{'finish' if there.stage == 'by hand' else 'resume'}"
        )
    plan = gather(keep.keep, keep.target)
    for text in plan.unknown:
        explain(f"not learned: {text}")
    chosen = selected(plan, options.what, options.major)
    if not chosen:
        left = len(plan.updates)
        explain(f"nothing to apply{f'; {left} are left to you (update plan)' if left else ''}")
        return 1 if plan.unknown and not plan.updates else 0
    work.apply(keep, chosen, operator(), explain)
    for update in chosen:
        say(f"{update.ref} {update.installed} -> {update.available}")
    explain("applied, and all is well")
    return 0


VERB = Verb(
    summary="show what is newer; apply it between a snapshot and a probe",
    run=_run,
    arguments=_arguments,
    description="`plan` asks host and guest what is newer. `apply` upgrades Homebrew's formulas\n"
    "in the guest: all must be well before; a snapshot comes first, every probe after, and when\n"
    "anything is worse the snapshot comes back. A major is applied only when --major names it.\n"
    "What the declaration pins is changed there; macOS and the image need a person.",
    epilog="exit status of plan: 0 nothing is newer, 2 something is (or it could not be learned),\n"
    "1 error; of status: 0 nothing under way, 1 something is; of the others: 0 done and well,\n"
    "1 not done, or undone (and why); 75 others are at work on the guest\n\n"
    "example: clawkeep update plan\n"
    "         clawkeep update apply brew:jq --major brew:ffmpeg",
)
