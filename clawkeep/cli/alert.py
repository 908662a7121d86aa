"""`clawkeep alert`: what is wrong, who is told of it, and whether that works."""

from __future__ import annotations

import argparse

from clawkeep.cli.verb import Verb, explain
from clawkeep.remote import operator, pass_on

LIST_S, TEST_S = 60, 300


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=("list", "test", "silence"),
        default="list",
        help="list: what stands and how the hooks are (default); test: send a test; silence: tell "
        "nobody of an alert for a time",
    )
    parser.add_argument(
        "key", nargs="?", help="test: this hook alone; silence: the alert, or `all` of them"
    )
    parser.add_argument("--for", dest="span", metavar="TIME", help="silence: 15m, 2h or 3d")
    parser.add_argument("--reason", default="", help="silence: why; `list` shows it")
    parser.add_argument("--end", action="store_true", help="silence: end it")
    parser.add_argument("--json", action="store_true", help="list, test: print JSON")


def _run(options: argparse.Namespace) -> int:
    try:
        arguments = _on_the_host(options)
    except ValueError as error:
        explain(f"clawkeep alert: {error}")
        return 2
    return pass_on(["alert", *arguments], timeout_s=TEST_S if options.what == "test" else LIST_S)


def _on_the_host(options: argparse.Namespace) -> list[str]:
    """Return the words for the host's own verb. Raises ValueError for what makes no sense."""
    json = ["--json"] if options.json else []
    if options.what != "silence" and (options.span or options.reason or options.end):
        raise ValueError("--for, --reason and --end belong to `clawkeep alert silence`")
    if options.what == "list":
        if options.key:
            raise ValueError("`clawkeep alert list` takes no name; leave it out")
        return ["list", *json]
    if options.what == "test":
        return ["test", *json, *(["--", options.key] if options.key else [])]
    if not options.key:
        raise ValueError("which alert? `clawkeep alert list` shows them; `all` is every one")
    if bool(options.span) == options.end:
        raise ValueError("say for how long, --for 2h, or --end")
    how = ["--end"] if options.end else [f"--for={options.span}", f"--reason={options.reason}"]
    return ["silence", *how, f"--who={operator()}", "--", options.key]


VERB = Verb(
    summary="show what is wrong and who is told, try the hooks, silence an alert",
    run=_run,
    arguments=_arguments,
    description="Shows the alerts that stand, those that are over, and how the declared hooks\n"
    "are; sends a test to each hook; tells nobody of an alert for a time.",
    epilog="exit status: 0 well; 1 an alert stands (list), a hook did not take the test, or there\n"
    "is no such silence; 2 cannot tell, no hook is declared (test), or a usage error\n\n"
    "example: clawkeep alert test\n"
    "         clawkeep alert silence canary-degraded --for 2h --reason 'the NAS moves'",
)
