"""`clawkeep traffic collect|show|digest` on the host: the journal of what the guest reached.

`collect` is launchd's, once a minute. The other two bring the journal up to date first, so that
what was refused a second ago is in what they print.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import time
from collections.abc import Sequence

from clawkeep.onhost import paths, store
from clawkeep.onhost.traffic_collect import LOCK, Collected, collect
from clawkeep.onhost.traffic_journal import Journal, JournalError, journal, put_aside
from clawkeep.onhost.traffic_report import digest, rows
from clawkeep.traffic.arguments import add_digest, add_show, checked
from clawkeep.traffic.spans import day, local_day, since
from clawkeep.traffic.table import as_json, table


def main(arguments: Sequence[str]) -> int:
    """Run one of the three; 0 done, 1 it could not be, 64 a usage error."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as end:
        return 64 if end.code else 0
    if os.geteuid() != 0:
        return _fail("only root may read or write the traffic journal: use sudo")
    try:
        return int(options.run(options))
    except (JournalError, OSError, sqlite3.Error) as error:
        return _fail(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clawkeep traffic", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="collect|show|digest")
    one = verbs.add_parser("collect", help="read what is new; launchd does it once a minute")
    one.add_argument("--json", action="store_true", help="say what was done as JSON")
    one.set_defaults(run=_collect)
    show = verbs.add_parser("show", help="print the newest rows")
    add_show(show)
    show.set_defaults(run=_show)
    page = verbs.add_parser("digest", help="print a day on one page")
    add_digest(page)
    page.set_defaults(run=_digest)
    return parser


def _collect(options: argparse.Namespace) -> int:
    store.limit_errors()
    with store.locked(LOCK):
        try:
            done = _run()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            put_aside(paths.TRAFFIC, error)
            done = _run()
    if options.json:
        print(
            json.dumps(
                {
                    "strange": done.strange,
                    "did": done.said + done.digests,
                    "problems": done.problems,
                }
            )
        )
    for problem in done.problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if done.problems else 0


def _run() -> Collected:
    with journal() as opened:
        done = collect(opened, now=time.time())
        for sentence in done.said:
            store.event("traffic", sentence)
        for headline in done.digests:
            store.event("digest", headline)
        # Once, not every minute: the event says that it began, another one that it is over.
        problems = "; ".join(done.problems)
        if problems != (opened.meta("problems") or ""):
            store.event("traffic", problems or "the traffic log is complete again")
            with opened.writing():
                opened.set_meta("problems", problems)
    return done


def _show(options: argparse.Namespace) -> int:
    try:
        checked(options)
        begin = since(options.since, time.time())
    except ValueError as error:
        return _fail(str(error), 64)
    with store.locked(LOCK), journal() as opened:
        _bring_up_to_date(opened)
        found = rows(
            opened,
            since=begin,
            denied=options.denied,
            service=options.service,
            limit=options.limit,
        )
    if options.json:
        print(json.dumps([as_json(row) for row in found]))
    else:
        print("\n".join(table(found)))
    return 0


def _digest(options: argparse.Namespace) -> int:
    try:
        which = day(options.day) if options.day else local_day(time.time())
    except ValueError as error:
        return _fail(str(error), 64)
    with store.locked(LOCK), journal() as opened:
        _bring_up_to_date(opened)
        page = digest(opened, which)
    sys.stdout.write(json.dumps(page.as_json()) + "\n" if options.json else page.text())
    return 0


def _bring_up_to_date(opened: Journal) -> None:
    done = collect(opened, now=time.time(), housekeeping=False)
    for problem in done.problems:
        sys.stderr.write(f"{problem}\n")


def _fail(words: str, status: int = 1) -> int:
    sys.stderr.write(f"clawkeep traffic: {words}\n")
    return status
