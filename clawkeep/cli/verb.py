"""The signature that every verb shares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """One verb: what it is for, its arguments, and what it does; `run` returns the exit status."""

    summary: str
    run: Callable[[argparse.Namespace], int]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda _: None
    description: str = ""
    epilog: str = ""


def actions(
    parser: argparse.ArgumentParser, summaries: Mapping[str, str]
) -> dict[str, argparse.ArgumentParser]:
    """Give a verb its actions, each with what it does in a line; return their parsers."""
    made = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    return {
        name: made.add_parser(name, help=summary, description=summary)
        for name, summary in summaries.items()
    }


def waits(parser: argparse.ArgumentParser) -> None:
    """Let an action say how long it waits for its turn at the guest."""
    parser.add_argument(
        "--wait", type=float, metavar="SECONDS", help="for other work on the guest (60)"
    )


def say(text: str) -> None:
    """Print data for the user: stdout."""
    print(text)


def explain(text: str) -> None:
    """Print prose for the user: stderr, so that stdout stays parseable."""
    sys.stderr.write(f"{text}\n")
