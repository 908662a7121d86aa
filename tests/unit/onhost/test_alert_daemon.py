"""The job that alerts: what it sees, that it says it once, and that no death of it loses any."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from clawkeep.alerts import Event
from clawkeep.onhost import alert_agent, alert_watch, paths, snapshot_state, store
from clawkeep.onhost.alert_daemon import Daemon
from tests.unit.onhost.alert_host import AlertHost, prepared


@pytest.fixture
def alerting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlertHost:
    return prepared(tmp_path, monkeypatch)


def keep_alive(host: AlertHost, daemon: Daemon, seconds: int, start: float) -> float:
    """Let time pass on a host whose guard and canary go on."""
    for second in range(0, seconds, 30):
        host.guard()
        store.write(paths.CANARY, (paths.CANARY.read_text()) + " ")
        start = host.run(daemon, min(30, seconds - second), start)
    return start


def test_a_host_that_is_well_says_nothing(alerting: AlertHost) -> None:
    daemon = alerting.daemon()
    keep_alive(alerting, daemon, 300, 0)
    assert alerting.heard() == []


def test_a_cut_is_told_once_and_when_it_is_over(alerting: AlertHost) -> None:
    daemon = alerting.daemon()
    ticks = alerting.run(daemon, 2)
    alerting.record("cut", why="tcp 1.1.1.1:443 got through")
    ticks = keep_alive(alerting, daemon, 120, ticks)
    (taken,) = alerting.taken()
    assert (taken["severity"], taken["text"]) == ("critical", "the guest is cut off")
    assert taken["evidence"] == "tcp 1.1.1.1:443 got through"
    assert alerting.heard() == ["raise guard-cut"]
    alerting.record("open")
    keep_alive(alerting, daemon, 30, ticks)
    assert alerting.heard() == ["recovery guard-cut"]


def test_what_is_overdue_when_the_mac_wakes_is_told_if_it_stays_so(
    alerting: AlertHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, failed = ("late", "no daily snapshot was made"), ("failed", "no room")
    standing = [late]
    monkeypatch.setattr(snapshot_state, "problems", lambda: tuple(standing))
    daemon = alerting.daemon()
    ticks = keep_alive(alerting, daemon, 120, 0)
    standing.clear()  # It was made up for.
    ticks = keep_alive(alerting, daemon, 60, ticks)
    assert alerting.heard() == []
    standing[:] = [late, failed]
    ticks = keep_alive(alerting, daemon, 60, ticks)
    assert alerting.heard() == ["raise snapshot-failed"]
    keep_alive(alerting, daemon, int(alert_watch.OVERDUE_S), ticks)
    assert alerting.heard() == ["raise snapshot-late"]


def test_what_stands_is_repeated_after_the_hook_s_time(alerting: AlertHost) -> None:
    alerting.settle(repeat_s=600)
    daemon = alerting.daemon()
    alerting.record("cut", why="x")
    keep_alive(alerting, daemon, 1300, 0)
    assert alerting.heard() == ["raise guard-cut", "repeat guard-cut", "repeat guard-cut"]


def test_a_failure_that_is_over_at_once_is_none(alerting: AlertHost) -> None:
    daemon = alerting.daemon()
    alerting.record("failed", why="pfctl")
    ticks = alerting.run(daemon, 3)
    alerting.record("open")
    ticks = alerting.run(daemon, 30, ticks)
    assert alerting.heard() == []
    alerting.record("failed", why="pfctl")
    alerting.run(daemon, 8, ticks)
    assert alerting.heard() == ["raise guard-failed"]


def test_what_comes_and_goes_is_one_alert(alerting: AlertHost) -> None:
    daemon = alerting.daemon()
    ticks = 0.0
    for verdict in itertools.islice(itertools.cycle(["red", "green"]), 20):
        alerting.canary(verdict, unable=["no answer"])
        alerting.guard()
        ticks = alerting.run(daemon, 6, ticks)
    assert alerting.heard() == ["raise canary-red"]


def test_a_mute_guard_and_a_mute_canary_are_seen_whatever_the_clock_says(
    alerting: AlertHost,
) -> None:
    daemon = alerting.daemon()
    ticks = alerting.run(daemon, 5)
    alerting.moment += 1e7  # A clock that jumps makes nobody mute.
    ticks = alerting.run(daemon, 60, ticks)
    assert alerting.heard() == []
    ticks = alerting.run(daemon, 40, ticks)
    assert alerting.heard() == ["raise guard-mute"]
    ticks = alerting.run(daemon, 100, ticks)
    assert alerting.heard() == ["raise canary-mute"]
    keep_alive(alerting, daemon, 30, ticks)
    assert sorted(alerting.heard()) == ["recovery canary-mute", "recovery guard-mute"]


def test_isolation_that_was_lost_and_mended_is_told_and_then_that_it_holds(
    alerting: AlertHost,
) -> None:
    store.event("repaired", "long ago")
    daemon = alerting.daemon()
    ticks = alerting.run(daemon, 3)
    assert alerting.heard() == []
    store.event("repaired", "pf is disabled")
    store.event("daemons", "of no interest")
    ticks = alerting.run(daemon, 5, ticks)
    assert "pf is disabled" in alerting.taken()[0]["text"]
    assert alerting.heard() == ["raise pf-repaired"]
    alerting.run(daemon, 15, ticks)
    assert alerting.heard() == ["recovery pf-repaired"]


def test_what_happens_without_an_end_is_told_once(alerting: AlertHost) -> None:
    alerting.settle(least="info")
    daemon = alerting.daemon()
    ticks = alerting.run(daemon, 1)
    store.event("stopped", "keep: shut down; leak")
    store.event("granted", "nas: :18500 -> 10.0.30.20:443", who="me", reason="backup")
    store.event("expired", "nas: :18500 -> 10.0.30.20:443", who="me")
    ticks = alerting.run(daemon, 30, ticks)
    assert sorted(alerting.heard()) == ["raise expired", "raise granted", "raise stopped"]
    # Read once more from its beginning, as after the loss of the bookmark's file.
    daemon.queue.set_meta("events", "null")
    alerting.run(daemon, 30, ticks)
    assert alerting.heard() == []


def test_a_leak_is_told_with_what_leaked_and_without_control_characters(
    alerting: AlertHost,
) -> None:
    daemon = alerting.daemon()
    alerting.canary("red", leaks=["tcp 1.1.1.1:443 \x1b]8;;https://evil\x07", "udp"], unable=[])
    alerting.run(daemon, 2)
    (taken,) = alerting.taken()
    assert taken["text"].startswith("the guest got out: tcp 1.1.1.1:443")
    assert taken["text"].isprintable()


def test_a_hook_that_fails_is_an_alert_to_the_other_one(alerting: AlertHost) -> None:
    hooks = [{"name": "chat", "kind": "discord", "url": "https://chat.example/x"},
             {"name": "mac", "kind": "notification"}]  # fmt: skip
    store.write(paths.HOOKS, f'{{"hooks": {hooks}, "user": "x", "owner_uid": 5}}'.replace("'", '"'))
    daemon = alerting.daemon()
    ticks = alerting.run(daemon, 1)
    for _ in range(5):
        daemon.queue.failed("chat", "chat.example answered 404", alerting.moment)
    alerting.run(daemon, 2, ticks)
    (taken,) = alerting.taken()
    assert (taken["hook"], taken["key"]) == ("mac", "hook:chat")
    assert taken["evidence"] == "chat.example answered 404"


def test_a_refused_credential_is_told_until_one_is_taken(
    alerting: AlertHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Event | bool | None] = [
        alert_agent.judged('@{"last": [{"t": 5, "status": "success", "chars": 30, "text": '
                           '"Invalid API key · Please run /login"}], "changed": 1}')
    ]  # fmt: skip
    monkeypatch.setattr(alert_agent, "look", lambda: said[0])
    monkeypatch.setattr(alert_agent, "EVERY_S", 10.0)
    daemon = alerting.daemon()
    ticks = keep_alive(alerting, daemon, 20, 0)
    assert alerting.heard() == ["raise agent-credential"]
    said[0] = None  # The guest does not answer: that says nothing, to a job that begins, too.
    daemon = alerting.daemon()
    ticks = keep_alive(alerting, daemon, 60, ticks)
    assert alerting.heard() == []
    said[0] = True
    keep_alive(alerting, daemon, 60, ticks)
    assert alerting.heard() == ["recovery agent-credential"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("[1]", None),
        ('@{"last": [], "changed": 0}', None),
        (
            '@{"last": [{"t": 5, "status": "success", "chars": 9, "text": null}], "changed": 1}',
            True,
        ),
        (
            '@{"last": [{"t": 5, "status": "success", "chars": 9, "text": null}], "changed": 6}',
            None,
        ),
        ('@{"last": [{"t": "x"}], "changed": 0}', None),
        ('@{"last": 5, "changed": 0}', None),
    ],
)
def test_what_a_guest_says_of_its_credential(text: str, expected: bool | None) -> None:
    assert alert_agent.judged(text) is expected


def test_hooks_that_change_take_effect_and_a_damaged_file_leaves_those_before(
    alerting: AlertHost, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = alerting.daemon()
    ticks = alerting.run(daemon, 1)
    paths.HOOKS.write_text('{"hooks": [{"url": "https://chat.example/secret"')
    alerting.record("cut", why="x")
    alerting.run(daemon, 3, ticks)
    assert alerting.heard() == ["raise guard-cut"]
    assert "damaged" in (said := capsys.readouterr().err)
    assert "secret" not in said
