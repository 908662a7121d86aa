"""The benchmark fails when a target is missed, and says by how much."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.report import Report, Target
from bench.series import FailedError, Series, timed


def report(ours: list[float], theirs: list[float], status: list[float]) -> Report:
    return Report(
        Series("first", [30.0]), Series("ours", ours), Series("theirs", theirs), Series("s", status)
    )


def missed(measured: Report) -> list[str]:
    return [target.name for target in measured.targets() if not target.met]


def test_ten_times_faster_is_measured_by_the_medians() -> None:
    assert missed(report([2.0, 2.0, 9.0], [19.0, 20.0, 90.0], [0.9])) == []
    assert missed(report([2.0, 2.1, 2.2], [20.0, 20.0, 20.0], [0.9])) == [
        "no-op: Ansible / Clawkeep, medians"
    ]


def test_a_slow_no_op_and_a_slow_status_are_missed_targets() -> None:
    assert missed(report([6.1], [100.0], [1.01])) == [
        "no-op of Clawkeep, median, s",
        "clawkeep status, median, s",
    ]


def test_a_fourth_round_trip_of_a_role_is_a_missed_target() -> None:
    measured = report([1.0], [20.0], [0.5])
    measured.clawkeep_trips.commands["network", "guest", "names"] = 4
    assert missed(measured) == ["round trips: network in guest"]


def test_a_limit_itself_is_met() -> None:
    assert Target("x", 3, 3).met
    assert Target("x", 10, 10, at_least=True).met
    assert not Target("x", 9.99, 10, at_least=True).met


def test_a_run_that_fails_gives_no_figure() -> None:
    with pytest.raises(FailedError, match="exit status 3\nout"):
        timed(["/bin/sh", "-c", "echo out; exit 3"], Path("/"), {"PATH": "/bin"})
