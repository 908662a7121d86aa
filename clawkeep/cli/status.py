"""`clawkeep status`: host, guest, and every door with a real probe from inside the guest."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from clawkeep import declared
from clawkeep.cli.here import keep_and_host
from clawkeep.cli.verb import Verb, explain, say
from clawkeep.status.gather import gather
from clawkeep.status.report import Report
from clawkeep.verdict import Verdict

WATCH_S = 10.0
LEAST_S = 2


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--watch", nargs="?", type=_seconds, const=WATCH_S, metavar="SECONDS",
        help=f"look again every SECONDS ({WATCH_S:.0f}), until Ctrl-C; --json: an object a line",
    )  # fmt: skip


def _seconds(text: str) -> float:
    if not text.isdecimal() or not LEAST_S <= int(text) <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r}: expected whole seconds, at least {LEAST_S}")
    return float(text)


def _run(options: argparse.Namespace) -> int:
    found = keep_and_host()
    if found is None:
        return Verdict.UNKNOWN
    keep, host = found
    folder = declared.allowlist().parent
    if options.watch is not None:
        _watch(lambda: gather(keep, host, folder), options.watch, as_json=options.json)
    report = gather(keep, host, folder)
    if options.json:
        say(json.dumps(report.as_json(), indent=2))
    else:
        for line in report.lines():
            say(line)
        explain({0: "all is well", 1: "something is not well", 2: "cannot tell"}[report.verdict])
    return report.verdict


def _watch(ask: Callable[[], Report], every_s: float, *, as_json: bool) -> NoReturn:
    """Show the status until Ctrl-C, or until the reader of a pipe has gone."""
    # Only here: every verb would load it.
    from rich.console import Console  # noqa: PLC0415

    from clawkeep.status import watch  # noqa: PLC0415

    console = Console()
    try:
        if as_json:
            while True:
                report, began = ask(), time.monotonic()
                _line(json.dumps({"t": time.time(), **report.as_json()}))
                time.sleep(max(0.2, every_s - (time.monotonic() - began)))
        asker = watch.Asker(ask, every_s)
        if console.is_terminal:
            watch.watch(asker, console)
        watch.blocks(asker, _line)
    except KeyboardInterrupt:
        # An ask may be under way, and a host that is away takes its time: nobody waits for it.
        sys.stderr.write("interrupted\n")
        sys.stderr.flush()
        os._exit(130)
    raise AssertionError("a watch has no end")


def _line(text: str) -> None:
    say(text)
    sys.stdout.flush()


VERB = Verb(
    summary="show how the host, the guest, its agent and every door are",
    run=_run,
    arguments=_arguments,
    epilog="exit status: 0 all well, 1 something is not, 2 cannot tell, 130 Ctrl-C\n\n"
    "example: clawkeep status --json | jq .doors\n"
    "         clawkeep status --watch",
)
