"""Writes each day's digest once the day is over: a file, and one sentence among the events."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from clawkeep.onhost import paths, store
from clawkeep.onhost.traffic_journal import Journal
from clawkeep.onhost.traffic_report import digest
from clawkeep.traffic.spans import local_day

FOLDER = paths.STATE / "digest"

MAX_DAYS = 7
"""Days that are made up for after the host was off: older ones are only told when asked."""

KEEP_DAYS = 400


def write_digests(journal: Journal, now: float, folder: Path = FOLDER) -> list[str]:
    """Write the digests of the days that are over and have none; return their headlines.

    The first collector after midnight of the host's local time does it: a job of its own would
    miss the nights that the host is off (reference/macos.md §4.1). Raises OSError.
    """
    today = local_day(now)
    last = _last(journal, today)
    said = []
    for number in range(1, (today - last).days):
        day = last + timedelta(days=number)
        page = digest(journal, day)
        store.write(folder / f"{day}.txt", page.text(), mode=0o600)
        with journal.writing():
            journal.set_meta("digest", day.isoformat())
        said.append(page.headline())
    if said:
        _forget(folder)
    return said


def _last(journal: Journal, today: date) -> date:
    """Return the last day that has its digest; the day before the journal's first is one."""
    known = journal.meta("digest")
    # Far ahead: told by a clock that was wrong, which must not silence the days until then.
    if known is None or date.fromisoformat(known) > today + timedelta(days=1):
        last = today - timedelta(days=1)
        with journal.writing():
            journal.set_meta("digest", last.isoformat())
        return last
    return max(date.fromisoformat(known), today - timedelta(days=MAX_DAYS + 1))


def _forget(folder: Path) -> None:
    """Keep the newest pages: by their number, so that a clock that was wrong takes none along."""
    for path in sorted(folder.glob("????-??-??.txt"))[:-KEEP_DAYS]:
        path.unlink(missing_ok=True)
