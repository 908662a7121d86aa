"""The `clawkeep` command: one module per verb."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence

from clawkeep.cli.verb import Verb

#: Each verb lives in the module of its name.
VERBS = (
    "agent",
    "alert",
    "allow",
    "apply",
    "audit",
    "backup",
    "bridges",
    "cache",
    "canary",
    "check",
    "contract",
    "diagram",
    "doctor",
    "explain",
    "grants",
    "health",
    "logs",
    "metrics",
    "plan",
    "revoke",
    "secrets",
    "serve",
    "skills",
    "snapshot",
    "status",
    "traffic",
    "update",
    "verify",
    "vm",
)


def parser(names: Sequence[str] = VERBS) -> tuple[argparse.ArgumentParser, dict[str, Verb]]:
    """Return the command line with these verbs, and the verbs by name."""
    top = argparse.ArgumentParser(
        prog="clawkeep",
        description="Keeps an AI agent in a macOS VM with exactly the doors you list.",
        epilog="example: clawkeep status --json",
    )
    subparsers = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs = {}
    for name in names:
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


@contextlib.contextmanager
def _deadly_interrupt() -> Iterator[None]:
    """End at once on SIGINT while modules load: there Python may lose a KeyboardInterrupt.

    The import system's callbacks print and forget what is raised in them.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status."""
    try:
        words = sys.argv[1:] if arguments is None else arguments
        with _deadly_interrupt():
            # To import the other verbs would take longer than most of them need for their work.
            top, verbs = parser(words[:1] if words[:1] and words[0] in VERBS else VERBS)
        options = top.parse_args(words)
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
