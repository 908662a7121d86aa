"""kill -9, a full disk and a failing tart at each step: the guest runs again, nothing is torn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clawkeep.snapshots import records
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.work import Work
from tests.unit.snapshots.fake_mac import GUEST, Host, KilledError

MANY = 200


def create(work: Work) -> None:
    work.create(records.BY_HAND, "before a try")


def verify(work: Work) -> None:
    work.verify("latest")


def restore(work: Work) -> None:
    work.restore("latest")


def prune(work: Work) -> None:
    work.prune()


DO = {"create": create, "verify": verify, "restore": restore, "prune": prune}


def host(folder: Path, *, bad: bool = False) -> Host:
    """A host with two snapshots, whose guest has changed since."""
    made = Host(folder)
    for content in ("one", "two"):
        made.mac.disks[GUEST] = content
        create(made.work())
        made.mac.time += 60
    made.mac.disks[GUEST] = "now"
    if bad:
        made.mac.bad = {"two"}
    made.declare(keep=1)
    return made


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("what", DO)
def test_killed_at_each_step_it_is_finished_or_undone(what: str, bad: bool, tmp_path: Path) -> None:
    killed = 0
    for point in range(1, MANY):
        it = host(tmp_path / str(point), bad=bad)
        before = set(it.snapshots())
        it.again(killed_at=point)
        try:
            DO[what](it.work())
        except KilledError:
            killed += 1
        except SnapshotError:
            assert bad
            assert what == "restore"
            break
        else:
            break
        it.again()
        it.work().recover()
        _sound(it, what, before)
        # It is settled: the next one finds nothing, and can be done.
        assert it.work().recover() == ""
        if not (bad and what == "restore"):
            DO[what](it.work())
            it.well()
    else:
        pytest.fail(f"it never ended in {MANY} steps")
    assert killed > 5


def _sound(it: Host, what: str, before: set[str]) -> None:
    it.well()
    after = set(it.snapshots())
    if what == "restore":
        assert it.mac.disks[GUEST] in {"now", "two"} - it.mac.bad
        # What was replaced is there as long as it is not the guest.
        assert "now" in it.mac.disks.values()
        assert before <= after
    else:
        assert it.mac.disks[GUEST] == "now"
    if what == "prune":
        assert len(after) in {1, 2}
        assert max(before) in after
    else:
        assert before <= after


@pytest.mark.parametrize("what", ["create", "restore", "verify"])
def test_killed_again_while_it_is_put_right(what: str, tmp_path: Path) -> None:
    """Each third point of the first run, with each fifth of the one that puts it right."""
    for first in range(1, MANY, 3):
        ended = False
        for second in range(1, MANY, 5):
            it = host(tmp_path / f"{first}-{second}")
            before = set(it.snapshots())
            it.again(killed_at=first)
            try:
                DO[what](it.work())
            except KilledError:
                pass
            else:
                ended = True
                break
            it.again(killed_at=second)
            try:
                it.work().recover()
            except KilledError:
                it.again()
                it.work().recover()
                _sound(it, what, before)
            else:
                _sound(it, what, before)
                break
        if ended:
            break
    else:
        pytest.fail("it never ended")


@pytest.mark.parametrize("what", ["create", "verify", "restore"])
def test_the_disk_is_full_at_each_write(what: str, tmp_path: Path) -> None:
    failed = 0
    for write in range(1, MANY):
        it = host(tmp_path / str(write))
        before, disks = set(it.snapshots()), dict(it.mac.disks)
        it.again(full_at=write)
        try:
            DO[what](it.work())
        except (SnapshotError, OSError) as error:
            failed, words = failed + 1, str(error)
        else:
            break
        assert "No space left" in words
        # Still full: the guest runs, and no snapshot is lost.
        assert it.mac.running == {GUEST}
        assert it.mac.job
        assert before <= set(it.snapshots())
        assert disks.items() - {(GUEST, "now")} <= it.mac.disks.items()
        it.again()
        it.work().recover()
        _sound(it, what, before)
    else:
        pytest.fail("it never ended")
    assert failed >= 3


def test_a_guest_that_somebody_starts_meanwhile_is_not_copied_torn(tmp_path: Path) -> None:
    it = Host(tmp_path)
    it.mac.meddler = True
    with pytest.raises(SnapshotError, match="somebody else works on it"):
        create(it.work())
    it.mac.torn.clear()
    it.well()
    assert it.snapshots() == []


def test_ended_by_a_signal_the_guest_is_started_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = Host(tmp_path)

    def told(source: str, name: str) -> None:
        raise SystemExit(143)

    monkeypatch.setattr(it.mac, "clone", told)
    with pytest.raises(SystemExit):
        create(it.work())
    it.well()


def test_a_task_of_another_guest_is_nobodys_to_settle(tmp_path: Path) -> None:
    it = Host(tmp_path)
    it.shelf.begin(records.Task(records.CREATE, "other-snap-20260101T000000Z", "other", 1.0, True))
    refusal: Callable[[], object] = it.work().recover
    with pytest.raises(SnapshotError, match="declare other again"):
        refusal()
    assert it.shelf.task() is not None


def test_a_damaged_task_is_said_and_not_guessed(tmp_path: Path) -> None:
    it = Host(tmp_path)
    (tmp_path / "task.json").write_text("{")
    with pytest.raises(SnapshotError, match="something was interrupted"):
        create(it.work())
    assert it.mac.calls == []
