"""`clawkeep traffic`: what the guest reached, what it was refused, and a day on one page."""

from __future__ import annotations

import argparse

from clawkeep.cli.verb import Verb, explain
from clawkeep.remote import pass_on
from clawkeep.traffic.arguments import add_show, checked
from clawkeep.traffic.spans import day


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=("show", "digest"),
        default="show",
        help="the newest rows (default), or a day on one page",
    )
    add_show(parser)
    parser.add_argument("--day", metavar="YYYY-MM-DD", help="digest: which day (today)")


def _run(options: argparse.Namespace) -> int:
    try:
        arguments = _on_the_host(options)
    except ValueError as error:
        explain(f"clawkeep traffic: {error}")
        return 2
    return pass_on(["traffic", *arguments], timeout_s=60)


def _on_the_host(options: argparse.Namespace) -> list[str]:
    """Return the words for the host's own verb. Raises ValueError for what makes no sense."""
    json = ["--json"] if options.json else []
    if options.what == "digest":
        return ["digest", *(["--day", day(options.day).isoformat()] if options.day else []), *json]
    if options.day:
        raise ValueError("--day belongs to `clawkeep traffic digest`")
    checked(options)
    return [
        "show",
        f"--since={options.since}",
        f"--limit={options.limit}",
        *(["--denied"] if options.denied else []),
        *([f"--service={options.service}"] if options.service else []),
        *json,
    ]


VERB = Verb(
    summary="show what the guest reached, and what it was refused",
    run=_run,
    arguments=_arguments,
    description="Prints the traffic log that the host keeps: one row per connection through a "
    "bridge or the proxy, and one per minute for packets that pf refused.\nTimes are the host's. "
    "A bridge notes no byte counts.",
    epilog="exit status: 0 printed, 1 the host's journal cannot be read, 2 no answer from the "
    "host, or a usage error\n\n"
    "example: clawkeep traffic --since 24h --denied\n"
    "         clawkeep traffic digest --day 2026-11-21",
)
