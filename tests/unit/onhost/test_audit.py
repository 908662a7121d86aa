"""What the host keeps of audits, and when it alerts because one is red, blind or late."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from clawkeep.audit.note import DAY_S, SLACK_S
from clawkeep.onhost import audit, paths, store
from tests.unit.onhost.alert_host import AlertHost, prepared

WELL = {"verdict": "well", "who": "me@laptop", "passed": 291}
RED = {**WELL, "verdict": "bad", "passed": 289, "failed": 2,
       "found": ["host/file/a: mode 666", "guest/lines/keys: eve"]}  # fmt: skip
BLIND = {**WELL, "verdict": "unknown", "passed": 200, "unknown": 91}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlertHost:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(paths, "RUN", tmp_path / "run")
    return prepared(tmp_path, monkeypatch)


def note(data: dict[str, Any]) -> int:
    return audit.main(["note", json.dumps(data)])


def scheduled(seconds: int = DAY_S) -> int:
    return audit.main(["schedule", str(seconds), "--who=me@laptop"])


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert audit.main(["show"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_note_is_kept_with_the_host_s_own_time(
    host: AlertHost, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (scheduled(), note({**RED, "t": 5.0})) == (0, 0)
    data = shown(capsys)
    assert (data["last"]["t"], data["last"]["failed"]) == (host.moment, 2)
    assert data["schedule"] == {"every_s": DAY_S, "who": "me@laptop", "since": host.moment}
    assert data["due"] == host.moment + DAY_S + SLACK_S


def test_the_same_schedule_again_is_no_new_one(
    host: AlertHost, capsys: pytest.CaptureFixture[str]
) -> None:
    began = host.moment
    scheduled()
    host.moment += 5000
    scheduled()
    assert shown(capsys)["schedule"]["since"] == began
    assert paths.EVENTS.read_text().count("an audit is due every 24 h") == 1
    assert audit.main(["unschedule"]) == 0
    assert shown(capsys)["schedule"] is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "x" * 30_000,
        '{"who": "x"}',
        *(
            json.dumps({**WELL, **wrong})
            for wrong in (
                {"verdict": "fine"}, {"failed": -1}, {"failed": 1.5}, {"failed": True}, {"more": 1},
                {"found": 7}, {"severity": "awful"},
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused_and_nothing_is_changed(
    host: AlertHost, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    note(WELL)
    before = paths.AUDIT.read_text()
    assert audit.main(["note", text]) == 1
    assert "clawkeep audit note:" in capsys.readouterr().err
    assert paths.AUDIT.read_text() == before


@pytest.mark.parametrize("seconds", ["0", "-5", "60", "99999999"])
def test_a_period_that_makes_no_sense_is_refused(host: AlertHost, seconds: str) -> None:
    assert audit.main(["schedule", seconds]) == 1
    assert not paths.AUDIT.exists()


def test_nobody_but_root_may(host: AlertHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    assert note(WELL) == 77
    assert not paths.AUDIT.exists()


@pytest.mark.parametrize(("data", "key"), [(RED, "audit-red"), (BLIND, "audit-blind")])
def test_a_scheduled_audit_that_is_not_green_alerts_until_one_is(
    host: AlertHost, data: dict[str, Any], key: str
) -> None:
    daemon = host.daemon()
    scheduled()
    note(WELL)
    ticks = host.run(daemon, 2)
    assert host.heard() == []
    note(data)
    ticks = host.run(daemon, 3, ticks)
    (taken,) = host.taken()
    assert host.heard() == [f"raise {key}"]
    assert (taken["severity"], "eve" in taken["evidence"]) == ("warning", data is RED)
    note(WELL)
    host.run(daemon, 15, ticks)
    assert host.heard() == [f"recovery {key}"]


def test_a_broken_promise_is_critical(host: AlertHost) -> None:
    scheduled()
    note({**RED, "severity": "critical"})
    host.run(host.daemon(), 2)
    assert host.taken()[0]["severity"] == "critical"


def test_whoever_audits_by_hand_is_not_alerted(host: AlertHost) -> None:
    note(RED)
    host.run(host.daemon(), 3)
    assert host.heard() == []


def test_an_audit_that_does_not_come_is_missed_and_its_coming_ends_that(host: AlertHost) -> None:
    daemon = host.daemon()
    scheduled()
    note(WELL)
    ticks = host.run(daemon, 2)

    def later(seconds: float) -> None:
        host.moment += seconds
        host.guard()

    later(DAY_S + SLACK_S - 60)
    ticks = host.run(daemon, 2, ticks)
    assert host.heard() == []
    later(120)
    ticks = host.run(daemon, 2, ticks)
    assert host.heard() == ["raise audit-late"]
    note(WELL)
    host.run(daemon, 15, ticks)
    assert host.heard() == ["recovery audit-late"]


def test_the_first_one_is_missed_too(host: AlertHost) -> None:
    scheduled()
    host.moment += DAY_S + SLACK_S + 1
    host.guard()
    host.run(host.daemon(), 2)
    assert host.heard() == ["raise audit-late"]


def test_one_that_a_wrong_clock_dated_ahead_proves_nothing(host: AlertHost) -> None:
    scheduled()
    host.moment += 400 * DAY_S
    note(WELL)
    host.moment -= 398 * DAY_S
    host.guard()
    host.run(host.daemon(), 2)
    assert host.heard() == ["raise audit-late"]


def test_a_damaged_note_is_said_and_the_next_audit_begins_anew(host: AlertHost) -> None:
    store.write(paths.AUDIT, '{"format": 1, "last": 3}')
    daemon = host.daemon()
    ticks = host.run(daemon, 2)
    assert host.heard() == ["raise audit-damaged"]
    assert note(WELL) == 0
    host.run(daemon, 15, ticks)
    assert host.heard() == ["recovery audit-damaged"]
