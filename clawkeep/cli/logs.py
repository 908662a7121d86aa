"""`clawkeep logs`: what the keep writes, dated, without secrets, also while it is written."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime

from clawkeep import hostlogs
from clawkeep.agent.guest import NotRunningError
from clawkeep.agent.logs import Line, Note, read
from clawkeep.cli.agent import NoAgentError, declaration
from clawkeep.cli.verb import Verb, explain
from clawkeep.config import ConfigError
from clawkeep.hostlogs import SOURCES, Entry
from clawkeep.target import NoTargetError, target
from clawkeep.traffic.spans import SECONDS, SPAN, since
from clawkeep.transport import TransportError


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=SOURCES,
        metavar="SOURCE",
        help=f"{', '.join(SOURCES)}; all of them, merged by time, without one",
    )
    parser.add_argument(
        "--since",
        default="1h",
        metavar="WHEN",
        help="90s, 15m, 24h, 7d, or a time such as 2026-11-21T08:00 (%(default)s)",
    )
    parser.add_argument("--follow", "-f", action="store_true", help="go on as more is written")
    parser.add_argument(
        "--raw", action="store_true", help="agent: as NanoClaw wrote it, without dates (no secrets)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def _run(options: argparse.Namespace) -> int:
    return _agent(options) if options.what == "agent" else _host(options)


def _host(options: argparse.Namespace) -> int:
    """Print what the host has kept."""
    if options.raw:
        explain("clawkeep logs: --raw belongs to `clawkeep logs agent`")
        return 2
    status = 0
    try:
        begin = hostlogs.start(options.since)
        for found in hostlogs.read(target(), options.what, begin, follow=options.follow):
            if isinstance(found, Note):
                explain(f"clawkeep logs: {found.text}")
                status = 1
                continue
            sys.stdout.write(f"{host_form(found, as_json=options.json)}\n")
            if options.follow:
                sys.stdout.flush()
    except (ValueError, NoTargetError, TransportError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        explain(f"clawkeep logs: {error}")
        return 2
    return status


def host_form(line: Entry, *, as_json: bool) -> str:
    """Return a line of the host as it is printed; `~`: that is when it came in."""
    if as_json:
        return json.dumps(asdict(line))
    moment = datetime.fromtimestamp(line.t).astimezone().isoformat(" ", "milliseconds")[:23]
    return f"{moment}{' ' if line.dated else '~'}{line.source:9}{line.text}"


def _agent(options: argparse.Namespace) -> int:
    """Print NanoClaw's log, from the guest itself."""
    try:
        start = _start(options.since)
        keep, _, host = declaration()
        status = 0
        for found in joined(read(keep, host, start, follow=options.follow)):
            if isinstance(found, Note):
                explain(f"clawkeep logs: {found.text}")
                status = 1
                continue
            sys.stdout.write(f"{form(found, raw=options.raw, as_json=options.json)}\n")
            if options.follow:
                sys.stdout.flush()
    except (
        ValueError, ConfigError, NoTargetError, NoAgentError, NotRunningError, TransportError,
        OSError,
    ) as error:  # fmt: skip
        if isinstance(error, BrokenPipeError):
            raise
        explain(f"clawkeep logs: {error}")
        return 2
    return status


def _start(when: str) -> list[str]:
    """Return `--since` for the guest: a span is reckoned by its clock. Raises ValueError."""
    moment = since(when, time.time())
    if match := SPAN.fullmatch(when):
        return ["--ago", str(int(match[1]) * SECONDS[match[2]])]
    return ["--since", str(moment)]


def joined(found: Iterator[Line | Note]) -> Iterator[Line | Note]:
    """Put the pieces of long lines together again."""
    begun: dict[str, Line] = {}
    for each in found:
        if isinstance(each, Note):
            yield each
            continue
        line = begun.pop(each.stream, None)
        whole = each if line is None else replace(each, time=line.time, text=line.text + each.text)
        if each.more and len(whole.text) < 10_000_000:
            begun[each.stream] = whole
        else:
            yield whole


def form(line: Line, *, raw: bool, as_json: bool) -> str:
    """Return a line as it is printed."""
    if as_json:
        return json.dumps({"time": line.time, "stream": line.stream, "text": line.words})
    if raw:
        return line.text
    moment = line.time[:23].replace("T", " ")
    notice = "clawkeep: " if line.stream in {"---", "job"} else ""
    return f"{moment} {notice}{line.words}"


VERB = Verb(
    summary="show what the keep writes, also while it is written",
    run=_run,
    arguments=_arguments,
    description="Prints the logs that the host keeps of the guard, the canary, the bridges, the\n"
    "proxy, the converges and the agent, merged by time: with dates, without colours and\n"
    "secrets. `~` marks a line that does not say when it was written: it came in then. With\n"
    "`agent` it is NanoClaw's log from the guest itself. --follow goes on over rotations and\n"
    "restarts, until Ctrl-C.",
    epilog="exit status: 0 printed, 1 printed with a warning, 2 no way to it, 130 Ctrl-C\n\n"
    "example: clawkeep logs --since 15m\n"
    "         clawkeep logs bridges --since 2h --json | jq -r .text\n"
    "         clawkeep logs agent --follow",
)
