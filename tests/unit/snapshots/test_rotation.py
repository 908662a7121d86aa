"""Which snapshots go: exactly those of ours that are neither among the newest nor the proof."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from clawkeep.snapshots import names, records
from clawkeep.snapshots.records import Record
from clawkeep.snapshots.rotation import DAY_S, REPLACED_DAYS, doomed, kept

GUEST = "vm"
NOW = 1_800_000_000.0


def record(number: int, kind: str = records.SCHEDULED, **values: object) -> Record:
    t = NOW - 100 * DAY_S + number * DAY_S
    what = names.REPLACED if kind == records.REPLACED else names.SNAPSHOT
    made = Record(names.fresh(GUEST, what, t, ()), GUEST, kind, number, t, "daily", "0f")
    return replace(made, **values)  # type: ignore[arg-type]


def stopped(found: list[Record]) -> dict[str, str]:
    return {each.name: "stopped" for each in found} | {GUEST: "running", "vm-base": "stopped"}


def going(found: list[Record], vms: dict[str, str] | None = None, keep: int = 7) -> list[int]:
    numbers = {each.name: each.number for each in found}
    gone = doomed(found, vms or stopped(found), keep, NOW, guest=GUEST)
    return [numbers[name] for name in gone]


def test_seven_stay() -> None:
    found = [record(n) for n in range(1, 11)]
    assert going(found) == [1, 2, 3]
    assert going(found[:7]) == []


def test_the_newest_verified_stays_however_old() -> None:
    found = [record(n, verified=1.0 if n in {1, 2} else 0.0) for n in range(1, 11)]
    assert going(found) == [1, 3]


def test_those_by_hand_push_out_no_day() -> None:
    days = [record(n) for n in range(1, 8)]
    by_hand = [record(n, records.BY_HAND) for n in range(20, 30)]
    assert going(days + by_hand) == [20, 21, 22]


def test_what_was_replaced_goes_after_a_week() -> None:
    week = REPLACED_DAYS * DAY_S
    old = record(3, records.REPLACED, t=NOW - week)
    young = record(4, records.REPLACED, t=NOW - week + 1)
    assert going([old, young, record(5)]) == [3]


def test_no_clock_decides_the_order() -> None:
    """One was made when the clock was years ahead, another when it was years behind."""
    found = [record(n) for n in range(1, 11)]
    found[1] = replace(found[1], t=NOW + 3650 * DAY_S)
    found[8] = replace(found[8], t=0.0)
    assert going(found) == [1, 2, 3]


def test_nothing_goes_before_the_newest_is_there() -> None:
    found = [record(n) for n in range(1, 11)]
    vms = stopped(found)
    del vms[found[-1].name]
    assert going(found, vms) == []


def test_what_runs_or_is_not_ours_stays() -> None:
    found = [record(n) for n in range(1, 13)]
    vms = stopped(found) | {found[0].name: "running", "vm-snap-20200101T000000Z": "stopped"}
    found[1] = replace(found[1], name="vm-base")
    found[2] = replace(found[2], name="vm-precious")
    vms["vm-precious"] = "stopped"
    found[3] = replace(found[3], guest="other")
    assert going(found, vms) == [5]


RECORDS = st.lists(
    st.tuples(
        st.sampled_from([records.SCHEDULED, records.BY_HAND, records.REPLACED]),
        st.booleans(),
        st.floats(-400, 400),
    ),
    max_size=40,
)


@given(RECORDS, st.integers(1, 10), st.integers(0, 5))
def test_whatever_was_made(made: list[tuple[str, bool, float]], keep: int, run: int) -> None:
    found = [
        record(n, kind, verified=float(proven), t=NOW + days * DAY_S)
        for n, (kind, proven, days) in enumerate(made, 1)
    ]
    found = [replace(each, name=f"{each.name[:-16]}{each.number:08}T000000Z") for each in found]
    vms = stopped(found)
    for each in found[:run]:
        vms[each.name] = "running"
    gone = doomed(found, vms, keep, NOW, guest=GUEST)
    left = [each for each in found if each.name not in gone]
    assert not {GUEST, "vm-base"} & set(gone)
    for kind in (records.SCHEDULED, records.BY_HAND):
        newest = [each.number for each in found if each.kind == kind][-keep:]
        assert {each.number for each in left} >= set(newest)
        spare = [e for e in left if e.kind == kind and e.number not in newest and not e.verified]
        assert all(vms[each.name] == "running" for each in spare)
    proven = [each for each in found if each.verified]
    assert not proven or proven[-1] in left
    assert all(vms[name] == "stopped" for name in gone)
    # What is left is left: a second time nothing goes, unless more was running.
    assert not doomed(left, vms, keep, NOW, guest=GUEST)
    assert {each.name for each in left} >= kept(found, keep, NOW).keys()
