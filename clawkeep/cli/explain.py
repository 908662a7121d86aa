"""`clawkeep explain`: which layer and which rule lets a flow pass or refuses it."""

from __future__ import annotations

import argparse
import json

from clawkeep import declared
from clawkeep.cli.verb import Verb, say
from clawkeep.cli.verb import explain as tell
from clawkeep.config import ConfigError
from clawkeep.explain import host
from clawkeep.explain.question import FORM, QuestionError, question
from clawkeep.explain.report import Explanation, Outcome
from clawkeep.explain.sides import Sides, offline, online
from clawkeep.explain.walk import walk
from clawkeep.model import Keep
from clawkeep.target import NoTargetError, target
from clawkeep.tart import TartError
from clawkeep.transport import HostSession, TransportError


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="guest, host, or the address of another machine")
    parser.add_argument("destination", help=FORM)
    parser.add_argument("--json", action="store_true", help="print the explanation as JSON")
    parser.add_argument(
        "--offline", action="store_true", help="judge the declaration alone; no host is asked"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="print every pf rule that matched on the way"
    )


def _run(options: argparse.Namespace) -> int:
    try:
        keep = declared.keep()
        sides = offline(keep) if options.offline else _asked(keep)
        asked = question(options.source, options.destination, sides.declared.openings.doors)
    except (ConfigError, NoTargetError, TransportError, TartError, OSError) as error:
        tell(f"{error}{'' if options.offline else '; --offline judges the declaration alone'}")
        return Outcome.UNKNOWN
    except QuestionError as error:
        tell(f"clawkeep explain: {error}")
        return Outcome.UNKNOWN
    found = Explanation(
        asked,
        walk(asked, sides.declared),
        None if sides.live is None else walk(asked, sides.live),
        sides.notes,
        absent=sides.live is None and not options.offline,
    )
    if options.json:
        say(json.dumps(found.as_json(), indent=2))
    else:
        for line in found.lines(verbose=options.verbose):
            say(line)
    tell(found.summary)
    return found.outcome


def _asked(keep: Keep) -> Sides:
    session = HostSession(target())
    try:
        return online(keep, host.ask(session, keep.guest.name))
    finally:
        session.close()


VERB = Verb(
    summary="say which layer and which rule lets a flow pass, or refuses it",
    run=_run,
    arguments=_arguments,
    description="Says what becomes of a flow: at Softnet, at pf, and at the bridge or the proxy "
    "behind them;\nonce as declared (with the host's grants), once by the live rules, and whether "
    "the two agree.\nA name is never looked up.",
    epilog="exit status: 0 answered, and declared and live agree; 1 they do not; 2 cannot tell\n\n"
    "example: clawkeep explain guest 1.1.1.1:443/tcp\n"
    "         clawkeep explain guest vaultwarden --json | jq .allowed\n"
    "         clawkeep explain --offline guest api.anthropic.com:443/tcp",
)
