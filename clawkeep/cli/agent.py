"""`clawkeep agent`: how the running agent is, and a word with it."""

from __future__ import annotations

import argparse
import json
import os
import sys

from clawkeep import declared
from clawkeep.agent.gather import gather
from clawkeep.agent.guest import NotRunningError
from clawkeep.agent.logs import printable
from clawkeep.agent.report import span
from clawkeep.agent.say import Message, MessageError, Reply, message
from clawkeep.agent.say import say as say_to_agent
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.config import ConfigError
from clawkeep.model import Agent, Keep
from clawkeep.target import NoTargetError, Target, target
from clawkeep.transport import TransportError
from clawkeep.verdict import Verdict

MAX_TIMEOUT_S = 7200

STATUS = "how NanoClaw in the guest is: its process, its channels, its credential, its queue"
SAY = "send NanoClaw a message through its local channel, and print the answer"


class NoAgentError(Exception):
    """The keep declares no agent."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    status = actions.add_parser("status", help=STATUS, description=STATUS)
    status.add_argument("--json", action="store_true", help="print the report as JSON")
    talk = actions.add_parser("say", help=SAY, description=SAY)
    talk.add_argument("text", metavar="TEXT", help="the message, or - to read it from stdin")
    talk.add_argument(
        "--group",
        metavar="FOLDER",
        help="the group to speak to, by its folder (default: the operator's own)",
    )
    talk.add_argument(
        "--create",
        action="store_true",
        help="make --group when it is not there; it keeps one of the agents' users for ever",
    )
    talk.add_argument(
        "--timeout",
        type=_seconds,
        default=120.0,
        metavar="S",
        help="seconds to wait for the answer (%(default)s)",
    )
    talk.add_argument("--json", action="store_true", help="print what came back as JSON")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= MAX_TIMEOUT_S:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and {MAX_TIMEOUT_S}")
    return seconds


def _run(options: argparse.Namespace) -> int:
    try:
        keep, agent, host = declaration()
        if options.action == "status":
            return _status(options, keep, agent, host)
        return _say(options, keep, agent, host)
    except (
        ConfigError, NoTargetError, NoAgentError, NotRunningError, MessageError, TransportError,
        OSError,
    ) as error:  # fmt: skip
        explain(f"clawkeep agent {options.action}: {error}")
        return Verdict.UNKNOWN


def declaration() -> tuple[Keep, Agent, Target]:
    """Return the keep, its agent and its host. Raises ConfigError, NoAgentError, NoTargetError."""
    keep = declared.keep()
    if keep.agent is None:
        raise NoAgentError("no agent is declared: `agent` in group_data/all.py is None")
    host = target()
    if host.state:
        os.environ.setdefault("CLAWKEEP_STATE", host.state)
    return keep, keep.agent, host


def _status(options: argparse.Namespace, keep: Keep, agent: Agent, host: Target) -> int:
    report = gather(keep, agent, host)
    if options.json:
        say(json.dumps(report.as_json(), indent=2))
    else:
        for line in report.lines():
            say(line)
        explain({0: "the agent is well", 1: "the agent is ill", 2: "cannot tell"}[report.verdict])
    return report.verdict


def _say(options: argparse.Namespace, keep: Keep, agent: Agent, host: Target) -> int:
    data = sys.stdin.buffer.read() if options.text == "-" else os.fsencode(options.text)
    said = Message(message(data), options.timeout, options.group, options.create)
    reply = say_to_agent(keep, agent, host, said)
    if options.json:
        say(json.dumps(reply.as_json(), indent=2))
    else:
        _print(reply)
    return Verdict.WELL if reply.ok else Verdict.BAD


def _print(reply: Reply) -> None:
    for text in reply.missed:
        explain(f"said while nobody listened: {_lines(text)}")
    if reply.waiting:
        explain(f"{reply.waiting} earlier messages had no answer yet; what follows may be theirs")
    if reply.ok:
        for text in reply.texts:
            say(_lines(text))
        if reply.cut:
            explain("the answer is longer than can be shown; the rest is in the agent's own folder")
        took = f" after {span(reply.ms / 1000)}" if reply.ms is not None else ""
        explain(f"answered{took}")
    else:
        detail = f": {printable(reply.detail)}" if reply.detail else ""
        explain(f"no answer ({reply.reason}){detail}")


def _lines(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))


VERB = Verb(
    summary="how the running agent is, and a word with it",
    run=_run,
    arguments=_arguments,
    description="Looks at NanoClaw in the guest, or talks to it. A message goes through a channel "
    "of\nits own, which needs neither a network nor an account, and its text never stands in a "
    "list of\nprocesses of the host or the guest; from stdin (-) not even in one of this machine.",
    epilog="exit status of status: 0 well, 1 ill, 2 cannot tell\n"
    "exit status of say: 0 answered, 1 no answer, or one that is none (no login, no credit), "
    "2 no way to it\n\n"
    "example: clawkeep agent status --json | jq '.rows[] | select(.verdict != \"well\")'\n"
    '         clawkeep agent say "What is on my calendar today?"\n'
    "         clawkeep agent say --timeout 600 - < question.txt",
)
