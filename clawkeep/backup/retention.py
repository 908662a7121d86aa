"""Which backups are kept: the newest of each of the last days, weeks and months.

As borg and restic have it: per period the newest backup counts, periods without a backup do not
count, and one that is kept by a finer rule does not use up a coarser one. Days are those of the
host's local time: in UTC's, two backups of one time of day can share a day when the clocks change.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from clawkeep.backup.plan import Retention
from clawkeep.backup.repository import Backup


def kept(backups: Iterable[Backup], retention: Retention) -> dict[str, str]:
    """Return the names of those to keep, each with the rule that keeps it.

    The newest one is always kept, and so is the newest without problems.
    """
    newest = sorted(backups, key=lambda b: (b.time, b.name), reverse=True)
    found: dict[str, str] = {}
    for backup in newest[: max(1, retention.last)]:
        found[backup.name] = "last"
    for backup in [b for b in newest if not b.problems][:1]:
        found.setdefault(backup.name, "the newest without problems")
    for rule, count, form in (
        ("daily", retention.daily, "%Y-%m-%d"),
        ("weekly", retention.weekly, "%G-W%V"),
        ("monthly", retention.monthly, "%Y-%m"),
    ):
        period, left = "", count
        for backup in newest:
            this = dt.datetime.fromtimestamp(backup.time).strftime(form)
            if this == period:
                continue
            period = this
            if left and backup.name not in found:
                found[backup.name] = f"{rule} {this}"
                left -= 1
    return found
