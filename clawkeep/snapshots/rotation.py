"""Which snapshots are kept. Pure.

Scheduled ones and those by hand rotate each among themselves: an afternoon of experiments does not
push out the week. Their order is that of their numbers, so no clock that was wrong decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from clawkeep.snapshots import names
from clawkeep.snapshots.records import BY_HAND, REPLACED, SCHEDULED, Record

REPLACED_DAYS = 7
"""So long a guest that a restore has replaced is kept: until the mistake was noticed."""

DAY_S = 86_400


def kept(records: Iterable[Record], keep: int, now: float) -> dict[str, str]:
    """Return the names of those to keep, each with why. `now` is in Unix seconds."""
    newest = sorted(records, key=lambda r: r.number, reverse=True)
    found: dict[str, str] = {}
    if proven := [record for record in newest if record.verified]:
        found[proven[0].name] = "the newest verified"
    for kind in (SCHEDULED, BY_HAND):
        of_kind = [record for record in newest if record.kind == kind]
        for record in of_kind[: max(1, keep)]:
            found.setdefault(record.name, f"one of the last {max(1, keep)} ({kind})")
    replaced = [record for record in newest if record.kind == REPLACED]
    for record in replaced[: max(1, keep)]:
        if now - record.t < REPLACED_DAYS * DAY_S:
            found.setdefault(record.name, f"replaced less than {REPLACED_DAYS} days ago")
    return found


def doomed(
    records: Iterable[Record],
    vms: Mapping[str, str],
    keep: int,
    now: float,
    *,
    guest: str,
    spared: Collection[str] = (),
) -> tuple[str, ...]:
    """Return the names of those to delete, the oldest first; `vms` are all VMs with their states.

    Never a VM without a record of ours, of another guest, of another form of name, running, or
    spared. Never one while the newest of all is not there: it may not have become visible yet.
    """
    mine = [record for record in records if record.guest == guest]
    known = {SCHEDULED, BY_HAND, REPLACED}
    there = [record for record in mine if record.name in vms]
    if mine and max(mine, key=lambda r: r.number) not in there:
        return ()
    staying = kept(there, keep, now)
    going = sorted((r for r in there if r.name not in staying), key=lambda r: r.number)
    return tuple(
        record.name
        for record in going
        if record.kind in known
        and vms[record.name] == "stopped"
        and names.ours(guest, record.name)
        and record.name not in {guest, names.base(guest), *spared}
    )
