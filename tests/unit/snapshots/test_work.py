"""What is made, tried, brought back and refused, on a Mac where nothing goes wrong."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from clawkeep.snapshots import judge, names, plan, records
from clawkeep.snapshots.errors import PostponedError, SnapshotError
from clawkeep.snapshots.ports import GB
from tests.unit.snapshots.fake_mac import GUEST, Host


@pytest.fixture
def it(tmp_path: Path) -> Host:
    return Host(tmp_path)


def made(it: Host, content: str = "first") -> records.Record:
    it.mac.disks[GUEST] = content
    record = it.work().create(records.BY_HAND, "a try")
    it.mac.time += 60
    return record


def test_a_snapshot_and_what_is_known_of_it(it: Host) -> None:
    record = made(it)
    assert names.ours(GUEST, record.name)
    assert it.shelf.records() == [record]
    assert (record.kind, record.reason, record.model) == (records.BY_HAND, "a try", "0f")
    assert record.facts.macos == "15.6"
    assert it.mac.disks[record.name] == "first"
    assert it.mac.said == [f"snapshot {record.name}"]
    it.well()


def test_two_in_one_second_have_two_names(it: Host) -> None:
    first = it.work().create(records.BY_HAND, "x")
    assert it.work().create(records.BY_HAND, "x").name > first.name


def test_a_guest_that_is_down_stays_down(it: Host) -> None:
    it.mac.running, it.mac.job = set(), False
    made(it)
    assert not it.mac.running
    assert not it.mac.job


def test_a_guest_that_runs_without_its_job_is_refused(it: Host) -> None:
    it.mac.job = False
    with pytest.raises(SnapshotError, match="not by its job"):
        made(it)
    assert GUEST in it.mac.running


def test_no_room_is_seen_before_the_guest_is_stopped(it: Host) -> None:
    it.mac.room = 19 * GB
    with pytest.raises(SnapshotError, match=r"19.0 GB are free, and 20 GB are to stay free"):
        made(it)
    assert it.mac.calls == []
    state = it.shelf.state()
    assert state.created is not None
    assert not state.created.ok
    assert state.good is None


def test_a_volume_without_shared_blocks_is_found_out(it: Host) -> None:
    """The first copy takes what it takes, and is deleted if that was too much; later ones ask."""
    it.mac.room, it.mac.clone_cost = 60 * GB, 25 * GB
    assert made(it).cost == 25 * GB
    with pytest.raises(SnapshotError, match="the last copy took 25 GB"):
        made(it)
    it.mac.room, it.mac.clone_cost = 50 * GB, 40 * GB
    with pytest.raises(SnapshotError, match="which is deleted again"):
        made(it)
    assert len(it.snapshots()) == 1
    it.well()


def test_verified_is_a_date(it: Host) -> None:
    record = made(it)
    assert it.work().verify(record.name).ok
    (after,) = it.shelf.records()
    assert after.verified == it.mac.time
    it.mac.bad = {"first"}
    assert it.work().verify("latest").ok is False
    (after,) = it.shelf.records()
    assert (after.verified, after.failed) == (0.0, "damaged")
    it.well()


def test_a_third_guest_is_not_tried(it: Host) -> None:
    record = made(it)
    it.mac.disks["other"] = "x"
    it.mac.running.add("other")
    with pytest.raises(PostponedError, match="other and vm run"):
        it.work().verify(record.name)
    assert it.shelf.records() == [record]
    assert it.shelf.state().verified is None


def test_restored_and_the_former_guest_is_kept(it: Host) -> None:
    record = made(it, "good")
    it.mac.disks[GUEST] = "broken"
    kept = it.work().restore(record.name)
    assert it.mac.disks[GUEST] == "good"
    assert it.mac.disks[kept] == "broken"
    assert it.mac.disks[record.name] == "good"
    it.well()
    # And back: the former guest is a snapshot like any other.
    again = it.work().restore(kept)
    assert it.mac.disks[GUEST] == "broken"
    assert it.mac.disks[again] == "good"
    it.well()


def test_no_good_the_former_guest_is_back(it: Host) -> None:
    made(it, "bad")
    it.mac.disks[GUEST], it.mac.bad = "now", {"bad"}
    with pytest.raises(SnapshotError, match=r"no good \(it does not answer\); the former guest"):
        it.work().restore("latest")
    assert it.mac.disks[GUEST] == "now"
    it.well()


def test_no_good_it_is_alerted_and_not_taken_again(it: Host) -> None:
    older, newer = made(it, "good"), made(it, "bad")
    for record in (older, newer):
        assert it.work().verify(record.name).ok
    it.mac.disks[GUEST], it.mac.bad = "now", {"bad"}
    with pytest.raises(SnapshotError, match=f"{newer.name} was no good"):
        it.work().restore("verified")
    state = it.shelf.state()
    ((key, text),) = judge.problems(state, it.plan, it.mac.time)
    assert key == "no-good"
    assert f"{newer.name} is no good" in text
    assert "it does not answer; the former guest is back" in text
    # The next best is the one before.
    it.work().restore("verified")
    assert it.mac.disks[GUEST] == "good"
    # What was wrong may have been something else: verified again, it is good again.
    it.mac.bad = set()
    assert it.work().verify(newer.name).ok
    assert judge.problems(it.shelf.state(), it.plan, it.mac.time) == []
    assert [r.failed for r in it.shelf.records()] == ["", "", ""]


def test_no_good_and_the_disk_is_full_the_former_guest_is_back(it: Host) -> None:
    made(it, "bad")
    for full_at in range(3, 9):
        it.mac.disks[GUEST], it.mac.bad = "now", {"bad"}
        it.again(full_at=full_at)
        with pytest.raises((SnapshotError, OSError)):
            it.work().restore("latest")
        assert it.mac.disks[GUEST] == "now"
        it.again()
        it.work().recover()
        it.well()


def test_a_guest_that_is_gone_comes_back(it: Host) -> None:
    made(it, "good")
    it.mac.running.clear()
    it.mac.job = False
    del it.mac.disks[GUEST]
    assert it.work().restore("latest") == ""
    assert it.mac.disks[GUEST] == "good"
    it.well()


def test_the_base_is_restored_and_never_deleted(it: Host) -> None:
    it.mac.disks["vm-base"] = "base"
    it.declare(keep=1)
    kept = it.work().restore("vm-base")
    assert it.mac.disks[GUEST] == "base"
    it.mac.time += 30 * 86_400
    assert it.work().prune() == (kept,)
    assert "vm-base" in it.mac.disks


def test_what_it_does_not_know_it_names(it: Host) -> None:
    record = made(it)
    with pytest.raises(SnapshotError, match=f"no snapshot nope; there are: {record.name}"):
        it.work().restore("nope")
    with pytest.raises(SnapshotError, match="no snapshot verified"):
        it.work().restore("verified")


def test_a_dry_run_deletes_nothing(it: Host) -> None:
    it.declare(keep=1)
    first = made(it)
    made(it)
    assert it.work().prune(dry=True) == (first.name,)
    assert len(it.snapshots()) == 2


def test_a_record_that_is_damaged_makes_a_stranger(
    it: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    it.declare(keep=1)
    first = made(it)
    made(it)
    (tmp_path / "records" / f"{first.name}.json").write_text("{}")
    assert it.work().prune() == ()
    assert first.name in it.mac.disks
    assert "none of this version" in capsys.readouterr().err


def test_what_is_written_is_read_again(it: Host) -> None:
    record = made(it)
    assert records.parse_record(record.text()) == record
    declared = plan.Plan("03:30", 5, 2, 10, 30, "x@sha256:0")
    assert plan.parse(declared.text()) == declared
    assert plan.parse(None) == plan.Plan()
    for text in ("", "[]", '{"format": 2}', '{"format": 1, "nope": 1}'):
        with pytest.raises(SnapshotError, match=r"snapshots\.json is none of this version"):
            plan.parse(text)
        with pytest.raises(SnapshotError):
            records.parse_record(text)
    state = it.shelf.state()
    assert records.parse_state(state.text()) == state
    assert records.parse_state("{") == records.State()
    task = records.Task(records.CREATE, "a", GUEST, 1.0, up=True)
    for name, value in (("up", "yes"), ("t", "x"), ("t", True), ("name", 1)):
        with pytest.raises(SnapshotError, match=name):
            records.parse_task(records.Task(**{**asdict(task), name: value}).text())
