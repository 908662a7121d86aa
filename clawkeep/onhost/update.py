"""`clawkeep update` on the host: the journal of an update, which the operator's side writes.

It lies with the guest that it is about, so that whoever comes next sees it, from whatever machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from clawkeep.onhost import maintenance, paths, store
from clawkeep.onhost.plain import plain
from clawkeep.updates import journal

FILE = paths.STATE / "update.json"
MOST = 200_000

AT_WORK_S, BY_HAND_S = 1800.0, 7200.0
"""How long the watcher repairs nothing after the last word of an update: it must be seen whether
what was applied works, and a run that was killed holds nothing up for ever."""

LEFT_S, OPEN_S = 60.0, 86_400.0
"""So old the last word of an update is at least before somebody is told: interrupted, by hand."""


def main(arguments: Sequence[str]) -> int:
    """Run as `update journal|note TEXT|clear WHAT`: 0 done, 1 not, with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="clawkeep update")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("journal", help="print what is under way, nothing when nothing is")
    verbs.add_parser("note", help="write down what is under way").add_argument("text")
    verbs.add_parser("clear", help="say how it ended").add_argument("what")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep update: must run as root; use sudo\n")
        return 77
    try:
        if options.verb == "note":
            _note(options.text)
        elif options.verb == "clear":
            FILE.unlink(missing_ok=True)
            store.event("update", plain(options.what, 600))
        else:
            print(journal.parse(text).text() if (text := store.read(FILE)) else "")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"clawkeep update {options.verb}: {plain(str(error), 600)}\n")
        return 1
    return 0


def under_way() -> str:
    """Say in words that an update is at work in the guest, "" when none is."""
    entry = _lately()
    return plain(f"{entry.reason} ({entry.stage})", 200) if entry else ""


def bringing_back() -> bool:
    """Tell whether the guest from before an update is being brought back."""
    entry = _lately()
    return entry is not None and entry.stage == journal.ROLLING_BACK


def problems() -> tuple[tuple[str, str], ...]:
    """Return what somebody should know of updates: a key for each kind, and the words.

    One whose run is over left the guest half updated: `update apply` has the turn until its end.
    Never raises.
    """
    try:
        text = store.read(FILE)
        entry, age = (journal.parse(text), _age()) if text is not None else (None, 0.0)
    except (OSError, ValueError) as error:
        return (
            ("damaged", f"{FILE}: {error}; see the guest, then clawkeep update resume --forget"),
        )
    if entry is None or maintenance.current() is not None:
        return ()
    by_hand = entry.stage == journal.BY_HAND
    if age < (OPEN_S if by_hand else LEFT_S):
        return ()
    verb, how = ("finish", "open") if by_hand else ("resume", "interrupted")
    words = f"{entry.reason} ({entry.stage}), begun by {entry.who}, is {how}"
    return ((how, f"{words}: clawkeep update {verb} ends it; from before is {entry.snapshot}"),)


def _age() -> float:
    """Return how long ago the last word was; a clock that ran back makes it old."""
    age = time.time() - FILE.stat().st_mtime
    return age if age >= 0 else BY_HAND_S


def _lately() -> journal.Entry | None:
    """Return what is under way, unless the last word of it is old."""
    try:
        entry = journal.parse(FILE.read_text(encoding="utf-8"))
        age = time.time() - FILE.stat().st_mtime
    except (OSError, ValueError):
        return None
    limit = BY_HAND_S if entry.stage == journal.BY_HAND else AT_WORK_S
    return entry if 0 <= age < limit else None


def _note(text: str) -> None:
    if len(text) > MOST:
        raise journal.JournalError(f"{len(text)} characters are too many")
    entry = journal.parse(text)
    store.write(FILE, entry.text() + "\n")
    why = f": {entry.why}" if entry.why else ""
    store.event("update", plain(f"{entry.reason}: {entry.stage}{why}", 600), who=entry.who)
