"""`clawkeep logs pull|show` on the host: all logs of the keep in one place, merged by time."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from clawkeep.onhost import clock, store
from clawkeep.onhost.log_pull import FOLDER, LOCK, pull, tell
from clawkeep.onhost.log_sources import SOURCES
from clawkeep.onhost.log_store import Bookmark, Line, Store

MOST = 5000
PULL_S = 20.0


def main(arguments: Sequence[str]) -> int:
    """Run one of the two; 0 done, 1 with a problem, 64 a usage error, 77 not root."""
    options = _parser().parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep logs: only root may read all logs: use sudo\n")
        return 77
    try:
        return int(options.run(options))
    except OSError as error:
        sys.stderr.write(f"clawkeep logs: {error}\n")
        return 1
    except ValueError as error:
        sys.stderr.write(f"clawkeep logs: {error}\n")
        return 64


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clawkeep logs", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="pull|show")
    once = verbs.add_parser("pull", help="read what is new; launchd does it once a minute")
    once.set_defaults(run=_pull)
    show = verbs.add_parser("show", help="print lines as JSON, and where to go on")
    show.add_argument("--source", choices=SOURCES)
    show.add_argument("--ago", type=float, default=3600.0, help="seconds")
    show.add_argument("--since", type=float, help="Unix time instead")
    show.add_argument("--limit", type=int, default=MOST, help="the newest so many")
    show.add_argument("--cursor", help="go on from where an earlier answer ended")
    show.set_defaults(run=_show)
    return parser


def _pull(_: argparse.Namespace) -> int:
    store.limit_errors()
    with store.locked(LOCK):
        done = pull()
    tell(done)
    for problem in done.problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if done.problems else 0


def _show(options: argparse.Namespace) -> int:
    status = 0
    try:
        with store.locked(LOCK, timeout_s=PULL_S):
            problems = pull().problems
    except OSError as error:
        problems = [f"what came last is not shown: {error}"]
    for problem in problems:
        sys.stderr.write(f"clawkeep logs: {problem}\n")
        status = 1
    kept = Store(FOLDER)
    mark = kept.bookmark()
    sources = [options.source] if options.source else list(SOURCES)
    begin = _cursor(options.cursor)
    since = clock.wall() - options.ago if options.since is None else options.since
    limit = max(1, min(options.limit, MOST))
    found = merged(kept, mark, sources, begin, float("-inf") if begin else since, limit)
    for source, line in found:
        print(json.dumps({"t": line.t, "source": source, "log": line.log, "text": line.text,
                          "dated": line.dated}))  # fmt: skip
    print(json.dumps({"cursor": json.dumps({s: kept.place(mark, s) for s in sources})}))
    return status


def merged(
    kept: Store, mark: Bookmark, sources: list[str], begin: dict[str, Any], since: float, limit: int
) -> list[tuple[str, Line]]:
    """Return the newest `limit` lines by time; of one source those of one moment in its order."""

    def of(source: str) -> Iterator[tuple[str, Line]]:
        for _, line in kept.lines(mark, source, begin.get(source)):
            if line.t >= since:
                yield source, line

    # Each source by itself is bounded first: all of it together may be large.
    found = [pair for source in sources for pair in deque(of(source), maxlen=limit)]
    found.sort(key=lambda pair: pair[1].t)
    return found[-limit:]


def _cursor(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        data = json.loads(text)
        return {
            source: {"n": int(place["n"]), "o": int(place["o"])}
            for source, place in data.items()
            if source in SOURCES
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError("--cursor is not what an earlier answer ended with") from None
