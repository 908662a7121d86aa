"""`clawkeep allow`: opens a door for a time, under the rules of the allowlist."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from pydantic import ValidationError

from clawkeep import declared
from clawkeep.cli.verb import Verb, explain
from clawkeep.config import ConfigError
from clawkeep.config.message import message
from clawkeep.model import Keep, Kind, Service, conflicts
from clawkeep.onhost import vet
from clawkeep.remote import operator, pass_on


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="what the door is called")
    parser.add_argument("target", help="where it leads: host:port, as the host reaches it")
    parser.add_argument("--port", type=int, required=True, help="TCP port on the gateway")
    parser.add_argument(
        "--for", dest="span", required=True, metavar="TIME", help="90s, 15m, 2h or 1d; at most 7d"
    )
    parser.add_argument("--reason", required=True, help="why; it stands in the journal")
    parser.add_argument("--kind", choices=get_args(Kind), default="tcp", help="what answers there")
    parser.add_argument("--server-name", help="tls only: the name on the certificate")
    parser.add_argument("--json", action="store_true", help="print what was opened as JSON")


def _run(options: argparse.Namespace) -> int:
    try:
        wrong = problems(options, declared.keep())
    except ConfigError as error:
        explain(str(error))
        return 2
    for problem in wrong:
        explain(f"{problem}; nothing was opened")
    if wrong:
        return 1
    server_name = ["--server-name", options.server_name] if options.server_name else []
    return pass_on(
        [
            "allow", "--port", str(options.port), "--for", options.span, "--kind", options.kind,
            *server_name, *(["--json"] if options.json else []), "--who", operator(),
            f"--reason={options.reason}", "--", options.name, options.target,
        ],
        timeout_s=90,
    )  # fmt: skip


def problems(options: argparse.Namespace, keep: Keep) -> list[str]:
    """Return what the allowlist's rules say against the door; the host asks all of it again."""
    found = []
    for check in (lambda: vet.seconds(options.span), lambda: vet.line(options.reason, "--reason")):
        try:
            check()
        except vet.UnfitError as error:
            found.append(str(error))
    values = {
        "name": options.name,
        "port": options.port,
        "target": options.target,
        "kind": options.kind,
        "server_name": options.server_name,
    }
    try:
        service = Service.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False)
        return [*found, *(f"{detail['loc'][0]}: {message(detail)}" for detail in details)]
    entries: list[dict[str, Any]] = [
        {"name": one.name, "port": one.port, "target": one.target}
        for one in (*keep.services, service)
    ]
    last = len(entries) - 1
    clashes = conflicts(entries, keep.host.guest_network)
    return [*found, *(f"{c.key}: {c.message}" for c in clashes if c.index == last)]


VERB = Verb(
    summary="open a door for a time",
    run=_run,
    arguments=_arguments,
    description="Open one door for a time, without touching the allowlist. It closes by itself, "
    "survives\na reboot, and stands in the journal with its reason. The guest gets no name for it: "
    "the\nverb says how to reach it.",
    epilog="exit status: 0 open, 1 refused or could not be opened (nothing has changed), "
    "2 cannot tell\n\nexample: clawkeep allow printer 10.0.30.9:631 --port 18631 --for 2h "
    "--reason 'print the report'",
)
