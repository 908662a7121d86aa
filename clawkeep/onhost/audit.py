"""`clawkeep audit` on the host: keeps how the last audit ended, and whether the next one is late.

An audit runs on an operator's machine: what a host says of itself would be the host's own word.
Nothing of it is run here; root only reads a small note, and alerts (`alert_watch`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final

from clawkeep.audit import note as notes
from clawkeep.audit.note import Note, NoteError, Schedule
from clawkeep.onhost import clock, paths, store
from clawkeep.onhost.plain import plain

MOST: Final = 20_000
"""Characters of one note."""

LEAST_S, LONGEST_S = 3600, 31 * notes.DAY_S


def main(arguments: Sequence[str]) -> int:
    """Run as `audit note TEXT|schedule SECONDS|unschedule|show`: 0 done, 1 not."""
    options = _parser().parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep audit: must run as root; use sudo\n")
        return 77
    try:
        with store.locked(paths.RUN / "audit.lock", timeout_s=10):
            return _run(options)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"clawkeep audit {options.verb}: {plain(str(error), 600)}\n")
        return 1


def _run(options: argparse.Namespace) -> int:
    now = clock.now()
    there = _there()
    if options.verb == "show":
        data = {**asdict(there), "now": now, "due": there.due(now)}
        print(json.dumps(data))
        return 0
    if options.verb == "note":
        after = replace(there, last=_last(options.text, now))
    elif options.verb == "schedule":
        wanted = Schedule(_period(options.every), plain(options.who), now)
        known = there.schedule
        if known and replace(known, since=now) == wanted:
            return 0
        after = replace(there, schedule=wanted)
        store.event("audit", f"an audit is due every {wanted.every_s // 3600} h", who=wanted.who)
    else:
        after = replace(there, schedule=None)
        if there.schedule is not None:
            store.event("audit", "no audit is due any more", who=plain(options.who))
    store.write(paths.AUDIT, after.text())
    return 0


def problems() -> tuple[tuple[str, str, str, str], ...]:
    """Return what somebody should know: key, severity, words, evidence. Never raises."""
    try:
        text = store.read(paths.AUDIT)
        return tuple(notes.parse(text).problems(clock.now())) if text else ()
    except (OSError, ValueError) as error:
        return (("damaged", "warning", str(error), str(paths.AUDIT)),)


def _there() -> Note:
    """Return the note; a damaged one begins anew, as the next audit says all of it again."""
    try:
        return notes.parse(text) if (text := store.read(paths.AUDIT)) else Note()
    except NoteError as error:
        sys.stderr.write(f"{paths.AUDIT}: {error}\n")
        return Note()


def _last(text: str, now: float) -> notes.Last:
    """Return how an audit ended, by this host's clock. Raises NoteError."""
    if len(text) > MOST:
        raise NoteError(f"{len(text)} characters are too many")
    try:
        data = json.loads(text)
        found = notes.checked({**data, "t": now})
    except (ValueError, TypeError) as error:
        raise NoteError(str(error)) from error
    lines = tuple(plain(line, 300) for line in found.found)
    return replace(found, who=plain(found.who), found=lines)


def _period(seconds: int) -> int:
    if not LEAST_S <= seconds <= LONGEST_S:
        raise NoteError(f"{seconds} s: expected {LEAST_S} to {LONGEST_S}")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clawkeep audit", description="For `clawkeep audit` on an operator's machine."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("note", help="keep how an audit ended").add_argument("text")
    schedule = verbs.add_parser("schedule", help="expect an audit every so many seconds")
    schedule.add_argument("every", type=int)
    ended = verbs.add_parser("unschedule", help="expect none any more")
    for each in (schedule, ended):
        each.add_argument("--who", default=os.environ.get("SUDO_USER", "root"))
    verbs.add_parser("show", help="print what is kept, as JSON")
    return parser
