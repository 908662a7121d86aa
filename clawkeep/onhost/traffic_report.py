"""What the journal is asked: rows for people, totals of a day; and what it forgets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from clawkeep.onhost.traffic_journal import COLUMNS, Journal
from clawkeep.onhost.traffic_logs import live
from clawkeep.traffic.digest import TOP, Digest, Total
from clawkeep.traffic.rows import Row
from clawkeep.traffic.spans import bounds

DAY_S = 86_400
KEEP_S = 90 * DAY_S
MAX_ROWS = 1_000_000
PRUNE_EVERY_S = 3600


def rows(
    journal: Journal,
    *,
    since: float,
    denied: bool = False,
    service: str | None = None,
    limit: int = 200,
) -> list[Row]:
    """Return the newest `limit` rows from `since` on, oldest first, open connections last.

    `denied` leaves only what was refused; `service` is a bridge's name, `proxy` or a label of pf.
    """
    where, values = ["time >= ?"], [since]
    if denied:
        where.append("verdict = 'denied'")
    if service is not None:
        where.append("service = ?")
    found = journal.db.execute(
        f"SELECT {', '.join(COLUMNS)} FROM rows WHERE {' AND '.join(where)}"  # noqa: S608
        " ORDER BY time DESC, id DESC LIMIT ?",
        (*values, *([service] if service is not None else []), limit),
    ).fetchall()
    done = [Row(**dict(zip(COLUMNS, row, strict=True))) for row in reversed(found)]
    still = [] if denied else [row for row in opened(journal) if service in {None, row.service}]
    return (done + still)[-limit:]


def opened(journal: Journal) -> list[Row]:
    """Return the connections that have not ended, however long ago they began."""
    found = [row for mark in journal.bookmarks().values() for row in live(mark)]
    return sorted(found, key=lambda row: row.time)


def digest(journal: Journal, day: date) -> Digest:
    """Return the totals of one day of the host's local time."""
    begin, end = bounds(day)
    found = journal.db.execute(
        "SELECT source, service, sum(count), sum(count * (verdict = 'failed')),"
        " sum(count * (verdict = 'denied')), sum(count * (verdict = 'report')), min(time),"
        " max(time), sum(bytes_in), sum(bytes_out) FROM rows WHERE time >= ? AND time < ?"
        " GROUP BY source, service",
        (begin, end),
    )
    totals = {
        (source, service): Total(source, service, number, failed, denied, report, 0, *rest)
        for source, service, number, failed, denied, report, *rest in found
    }
    for row in opened(journal):
        if begin <= row.time < end:
            key = (row.source, row.service)
            totals[key] = _one_more(totals.get(key, Total(*key)), row.time)
    return Digest(
        day,
        tuple(totals[key] for key in sorted(totals)),
        _targets(journal, begin, end, ("allowed", "report")),
        _targets(journal, begin, end, ("denied", "denied")),
    )


def _one_more(total: Total, began: float) -> Total:
    return Total(
        total.source,
        total.service,
        total.connections,
        total.failed,
        total.denied,
        total.report,
        total.open + 1,
        began if total.first is None else min(total.first, began),
        began if total.last is None else max(total.last, began),
        total.bytes_in,
        total.bytes_out,
    )


def _targets(
    journal: Journal, begin: float, end: float, verdicts: tuple[str, str]
) -> tuple[tuple[str, int], ...]:
    found = journal.db.execute(
        "SELECT target, sum(count) AS number FROM rows WHERE source = 'proxy' AND time >= ?"
        " AND time < ? AND target IS NOT NULL AND verdict IN (?, ?)"
        " GROUP BY target ORDER BY number DESC, target LIMIT ?",
        (begin, end, *verdicts, TOP),
    )
    return tuple((str(target), int(number)) for target, number in found)


def prune(journal: Journal, now: float, *, keep: int = MAX_ROWS) -> int:
    """Forget what is older than 90 days, and the oldest of the busiest past `keep` rows.

    At most once an hour, and at most a day further than the last time, so that a clock that is
    wrong for an hour takes no three months along. Return how many rows went. A guest that floods
    one service loses that service's old rows, not another's.
    """
    last = float(journal.meta("pruned") or 0)
    if last <= now < last + PRUNE_EVERY_S:
        return 0
    reached = journal.meta("pruned to")
    until = now - KEEP_S if reached is None else min(now - KEEP_S, float(reached) + DAY_S)
    with journal.writing():
        journal.set_meta("pruned", repr(now))
        journal.set_meta("pruned to", repr(until))
        gone = journal.db.execute("DELETE FROM rows WHERE time < ?", (until,)).rowcount
        counts = {
            (source, service): int(number)
            for source, service, number in journal.db.execute(
                "SELECT source, service, count(*) FROM rows GROUP BY source, service"
            )
        }
        share = fair_share(list(counts.values()), keep)
        for key, number in counts.items():
            if number > share:
                gone += journal.db.execute(
                    "DELETE FROM rows WHERE id IN (SELECT id FROM rows WHERE source = ?"
                    " AND service = ? ORDER BY time, id LIMIT ?)",
                    (*key, number - share),
                ).rowcount
    return gone


def fair_share(counts: Sequence[int], keep: int) -> int:
    """Return the largest number that no group may exceed so that `keep` are left altogether."""
    left, ordered = keep, sorted(counts)
    for position, number in enumerate(ordered):
        share = left // (len(ordered) - position)
        if number > share:
            return share
        left -= number
    return max(ordered, default=0)
