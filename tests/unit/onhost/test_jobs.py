"""Jobs of the host's launchd: loaded with exactly what is wanted, and really gone."""

from __future__ import annotations

import hashlib

import pytest

from clawkeep.onhost import jobs
from tests.unit.onhost.conftest import Host

LABEL, PLIST = "com.nanoclaw.bridge.nas", b"<plist/>"


def test_a_job_is_enabled_laid_down_and_loaded(host: Host) -> None:
    assert jobs.load(LABEL, PLIST)
    assert host.loaded == {LABEL: PLIST}
    assert host.verbs() == [
        f"enable system/{LABEL}",
        f"bootout system/{LABEL}",
        f"bootstrap system /folder/{LABEL}.plist",
    ]
    # As roles/launchd.py marks a job that it has loaded.
    assert (jobs.MARKS / LABEL).read_text() == hashlib.sha256(PLIST).hexdigest() + "\n"


def test_a_loaded_job_is_left_alone(host: Host) -> None:
    jobs.load(LABEL, PLIST)
    host.verbs()
    assert not jobs.load(LABEL, PLIST)
    assert host.verbs() == []


def test_another_plist_is_loaded_anew(host: Host) -> None:
    jobs.load(LABEL, PLIST)
    assert jobs.load(LABEL, b"<other/>")
    assert host.loaded == {LABEL: b"<other/>"}


def test_a_job_that_drains_is_waited_for(host: Host) -> None:
    jobs.load(LABEL, PLIST)
    host.draining[LABEL] = 3
    jobs.load(LABEL, b"<other/>")
    assert host.draining[LABEL] == 0


def test_a_refused_job_is_tried_again_then_an_error_that_leaves_no_mark(host: Host) -> None:
    host.refusals = 2
    assert jobs.load(LABEL, PLIST)
    host.refusals = 99
    with pytest.raises(RuntimeError, match="Bootstrap failed: 5"):
        jobs.load(LABEL, b"<other/>")
    assert not jobs.current(LABEL, b"<other/>")


def test_a_load_that_was_killed_halfway_is_done_again(host: Host) -> None:
    jobs.load(LABEL, PLIST)
    (jobs.MARKS / LABEL).unlink()
    assert jobs.load(LABEL, PLIST)


def test_an_unloaded_job_leaves_nothing(host: Host) -> None:
    jobs.load(LABEL, PLIST)
    jobs.unload(LABEL)
    assert host.loaded == {}
    assert jobs.on_disk("com.nanoclaw.") == set()


def test_what_is_on_disk_counts_by_plist_and_by_mark(host: Host) -> None:
    jobs.load(LABEL, PLIST)
    (jobs.MARKS / "com.nanoclaw.bridge.old").write_text("x\n")
    assert jobs.on_disk("com.nanoclaw.bridge.") == {LABEL, "com.nanoclaw.bridge.old"}
    assert jobs.on_disk("com.other.") == set()


def test_loaded_jobs_are_listed_with_their_pids(host: Host) -> None:
    jobs.load(LABEL, PLIST)
    assert jobs.listed("com.nanoclaw.bridge.") == {LABEL: 70}
    assert jobs.listed("com.apple.") == {"com.apple.x": None}
    assert jobs.pid(LABEL) == 70


def test_a_job_that_is_not_loaded_cannot_be_restarted(host: Host) -> None:
    jobs.load(LABEL, PLIST)
    jobs.restart([LABEL])
    with pytest.raises(RuntimeError, match=r"com\.other"):
        jobs.restart([LABEL, "com.other"])


def test_a_mark_of_a_job_that_launchd_does_not_have_is_forgotten(host: Host) -> None:
    for label in (LABEL, "com.nanoclaw.bridge.vault"):
        jobs.load(label, PLIST)
    del host.loaded[LABEL]
    jobs.forget_unloaded("com.nanoclaw.bridge.")
    assert not jobs.current(LABEL, PLIST)
    assert jobs.current("com.nanoclaw.bridge.vault", PLIST)


def test_a_plist_that_others_may_write_is_laid_down_anew(host: Host) -> None:
    jobs.load(LABEL, PLIST)
    jobs.plist_path(LABEL).chmod(0o664)
    assert jobs.load(LABEL, PLIST)
    assert jobs.plist_path(LABEL).stat().st_mode & 0o777 == 0o644
