"""What the job of the alerts writes down for whoever only looks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clawkeep.alerts import Event, Silence
from clawkeep.onhost import paths
from tests.unit.onhost.alert_host import AlertHost, prepared


@pytest.fixture
def alerting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlertHost:
    return prepared(tmp_path, monkeypatch)


def said() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(paths.STANDING.read_text())
    return found


def rows() -> list[tuple[str, bool, bool]]:
    return [(row["key"], row["silenced"], row["settling"]) for row in said()["standing"]]


def test_what_stands_is_written_and_what_is_about_to_be_over_is_marked(
    alerting: AlertHost,
) -> None:
    daemon = alerting.daemon()
    ticks = alerting.run(daemon, 2)
    assert (rows(), said()["hooks"]) == ([], 1)
    alerting.record("cut", why="tcp 1.1.1.1:443 got through")
    ticks = alerting.run(daemon, 2, ticks)
    assert rows() == [("guard-cut", False, False)]
    alerting.record("open")
    ticks = alerting.run(daemon, 2, ticks)
    assert rows() == [("guard-cut", False, True)]
    alerting.run(daemon, 15, ticks)
    assert rows() == []


def test_an_alert_of_a_verb_stands_until_the_verb_ends_it_and_a_silence_is_seen(
    alerting: AlertHost,
) -> None:
    daemon = alerting.daemon()
    daemon.queue.raise_(Event("job", "warning", "a job of mine"), alerting.moment)
    alerting.run(daemon, 2)
    assert rows() == [("job", False, False)]
    daemon.queue.silence(Silence("job", alerting.moment + 600, "me", "known"))
    alerting.run(daemon, 1)
    assert rows() == [("job", True, False)]


def test_its_age_tells_whether_anybody_still_looks(alerting: AlertHost) -> None:
    daemon = alerting.daemon()
    ticks = alerting.run(daemon, 1)
    first = said()["t"]
    ticks = alerting.run(daemon, 10, ticks)
    assert said()["t"] == first  # A disk is not worn out by it.
    alerting.guard()
    ticks = alerting.run(daemon, 30, ticks)
    assert said()["t"] > first
    alerting.moment -= 86400
    alerting.run(daemon, 1, ticks)
    assert said()["t"] == alerting.moment


def test_a_disk_that_is_full_keeps_no_alert_from_being_sent(alerting: AlertHost) -> None:
    paths.STANDING.mkdir()
    daemon = alerting.daemon()
    ticks = alerting.run(daemon, 1)
    alerting.record("cut", why="x")
    alerting.run(daemon, 3, ticks)
    assert alerting.heard() == ["raise guard-cut"]
