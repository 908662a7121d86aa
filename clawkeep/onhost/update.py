"""`clawkeep update` on the host: the journal of an update, which the operator's side writes.

It lies with the guest that it is about, so that whoever comes next sees it, from whatever machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from clawkeep.onhost import paths, store
from clawkeep.onhost.plain import plain
from clawkeep.updates import journal

FILE = paths.STATE / "update.json"
MOST = 200_000

AT_WORK_S, BY_HAND_S = 1800.0, 7200.0
"""How long the watcher repairs nothing after the last word of an update: it must be seen whether
what was applied works, and a run that was killed holds nothing up for ever."""


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
