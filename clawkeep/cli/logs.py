"""`clawkeep logs`: what the agent writes, dated, without secrets, also while it is written."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from clawkeep.agent.guest import NotRunningError
from clawkeep.agent.logs import Line, Note, read
from clawkeep.cli.agent import NoAgentError, declaration
from clawkeep.cli.verb import Verb, explain
from clawkeep.config import ConfigError
from clawkeep.target import NoTargetError
from clawkeep.traffic.spans import SECONDS, SPAN, since
from clawkeep.transport import TransportError


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("agent",), help="NanoClaw's log in the guest")
    parser.add_argument(
        "--since",
        default="1h",
        metavar="WHEN",
        help="90s, 15m, 24h, 7d, or a time such as 2026-11-21T08:00 (%(default)s)",
    )
    parser.add_argument("--follow", "-f", action="store_true", help="go on as more is written")
    parser.add_argument(
        "--raw", action="store_true", help="as NanoClaw wrote it, without dates (no secrets)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def _run(options: argparse.Namespace) -> int:
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
    summary="show the agent's log, also while it is written",
    run=_run,
    arguments=_arguments,
    description="Prints what NanoClaw wrote in the guest: with dates (its own stamps have none, "
    "and are\nof the guest's time zone), without colours and secrets. --follow goes on over "
    "rotations\nand restarts of the guest, until Ctrl-C.",
    epilog="exit status: 0 printed, 1 printed with a warning, 2 no way to it, 130 Ctrl-C\n\n"
    "example: clawkeep logs agent --since 2h\n"
    "         clawkeep logs agent --follow --json | jq -r .text",
)
