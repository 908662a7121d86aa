"""The job that alerts, killed at every step and on a full disk: no alert is lost."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from clawkeep.alerts import Outcome, Queue
from clawkeep.alerts.database import connect
from clawkeep.onhost import alert_daemon, alert_send, paths, store
from clawkeep.onhost.alert_daemon import DISK, Daemon
from tests.recording import Faults
from tests.unit.onhost.alert_host import AlertHost, prepared


@pytest.fixture
def alerting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlertHost:
    return prepared(tmp_path, monkeypatch)


WORK = ("repaired", "stopped", "granted")


def work(host: AlertHost, daemon: Daemon) -> None:
    """One look at a host on which much has happened, and the sending of all of it."""
    host.run(daemon, 12)


@pytest.mark.parametrize(
    ("where", "step"),
    [
        ("hook", 1),
        ("statement", 9),
        pytest.param("statement", 1, marks=pytest.mark.slow),
    ],
)
def test_killed_at_every_step_nothing_is_lost_and_doubles_carry_the_same_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, step: int
) -> None:
    """SIGKILL before the n-th SQL statement, or right after a hook has taken its n-th message."""
    doubled = 0
    for n in itertools.count(1, step):
        folder = tmp_path / f"{where}{n}"
        folder.mkdir()
        host = prepared(folder, monkeypatch)
        host.settle(least="info")
        host.run(host.daemon(), 1)  # Has been there before.
        host.record("cut", why="leak")
        for kind in WORK:
            store.event(kind, "text", who="me")
        killed = _killed_at(host, n, where)
        host.run(host.daemon(), 40)
        taken = host.taken()
        kinds = {f"{m['kind']} {m['key'].partition(':')[0]}" for m in taken}
        assert kinds == {
            "raise guard-cut", "raise pf-repaired", "recovery pf-repaired", "raise stopped",
            "raise granted",
        }, n  # fmt: skip
        tokens = [m["token"] for m in taken]
        extra = len(tokens) - len(set(tokens))
        assert extra <= 1, n
        assert len(set(tokens)) == 5, n
        doubled += extra
        if not killed:
            break
    # The control: there were steps to be killed at, and the gap that cannot be closed is real.
    assert n > (20 if where == "statement" else 3)
    assert (doubled > 0) == (where == "hook") or where == "statement"


def _killed_at(host: AlertHost, n: int, where: str) -> bool:
    child = os.fork()
    if child == 0:
        left = itertools.count(1)

        def die(*_: object) -> None:
            if next(left) == n:
                os.kill(os.getpid(), signal.SIGKILL)

        daemon = host.daemon()
        if where == "statement":
            daemon.queue.db.set_trace_callback(die)
        else:
            take = host.deliver

            def deliver(*arguments: Any) -> Outcome:
                outcome = take(*arguments)
                die()
                return outcome

            alert_send.deliver = deliver  # type: ignore[assignment]
        try:
            work(host, daemon)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


# --- a full disk


def fill(host: AlertHost, daemon: Daemon, ticks: float) -> None:
    for number in range(200):
        host.record("cut", why=f"{number} {'x' * 1000}")
        store.event("stopped", f"{number} {'x' * 250}")
        ticks = host.run(daemon, 1, ticks)


def test_a_full_disk_keeps_no_alert_back_and_what_waited_is_written_when_it_has_room(
    alerting: AlertHost, faults: Faults
) -> None:
    alerting.answer = Outcome("retry", "the network is down")
    daemon = alerting.daemon()
    ticks = alerting.run(daemon, 2)
    alerting.record("cut", why="x" * 1000)
    (pages,) = daemon.queue.db.execute("PRAGMA page_count").fetchone()
    daemon.queue.db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        fill(alerting, daemon, ticks)
    alert_daemon._into_memory(daemon, "database or disk is full")
    alerting.answer = Outcome("sent")
    alerting.moment += 7200
    ticks = alerting.run(daemon, 40, ticks + 300)
    heard = [m["key"].partition(":")[0] for m in alerting.taken()]
    assert {"guard-cut", "stopped", DISK} <= set(heard)
    assert len({m["token"] for m in alerting.taken()}) == len(heard)
    alerting.heard()
    alert_daemon._back_to_disk(daemon)
    alerting.run(daemon, 5, ticks)
    assert alerting.heard() == [f"recovery {DISK}"]
    with_disk = Queue(connect(paths.ALERTS))
    assert {a.key for a in with_disk.alerts(active=True)} >= {"guard-cut"}
    says = "an alert of its own; all alerts go out from memory, and are on disk when it has room"
    faults.show("disk-full", "the alerts' queue", says, "the operator", lost=0)
