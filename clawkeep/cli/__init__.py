"""The `clawkeep` command: one module per verb."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from clawkeep.cli.verb import Verb

#: Each verb lives in the module of its name.
VERBS = (
    "agent",
    "allow",
    "apply",
    "bridges",
    "canary",
    "check",
    "contract",
    "diagram",
    "explain",
    "grants",
    "logs",
    "revoke",
    "status",
    "traffic",
    "verify",
    "vm",
)


def parser() -> tuple[argparse.ArgumentParser, dict[str, Verb]]:
    """Return the whole command line, and the verbs by name."""
    top = argparse.ArgumentParser(
        prog="clawkeep",
        description="Keeps an AI agent in a macOS VM with exactly the doors you list.",
        epilog="example: clawkeep status --json",
    )
    subparsers = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs = {}
    for name in VERBS:
        verb: Verb = importlib.import_module(f"clawkeep.cli.{name}").VERB
        sub = subparsers.add_parser(
            name,
            help=verb.summary,
            description=verb.description or verb.summary,
            epilog=verb.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.arguments(sub)
        verbs[name] = verb
    return top, verbs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status."""
    top, verbs = parser()
    options = top.parse_args(arguments)
    try:
        status = verbs[options.verb].run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # `clawkeep status | head`: the reader has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    return status
