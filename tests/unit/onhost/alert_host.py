"""A host whose files say how it is, and a hook that notes on disk what it took."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from clawkeep.alerts import Hook, Message, Outcome, Queue
from clawkeep.alerts.database import connect
from clawkeep.onhost import alert_agent, alert_send, alert_watch, clock, paths, store
from clawkeep.onhost.alert_daemon import Daemon
from clawkeep.onhost.alert_send import Settings
from clawkeep.onhost.situation import Record

HOOK = {"name": "chat", "kind": "discord", "url": "https://chat.example/hook", "per_hour": 1e9}
T = 1_800_000_000.0


@dataclass
class AlertHost:
    """The folder; `moment` is the host's clock, `answer` what the hook says."""

    folder: Path
    moment: float = T
    answer: Outcome = field(default_factory=lambda: Outcome("sent"))

    def settle(self, **values: Any) -> None:
        """Declare the hook, with these of its values."""
        settings = {"hooks": [{**HOOK, **values}], "user": "nobody", "owner_uid": 501}
        store.write(paths.HOOKS, json.dumps(settings), 0o600)

    def record(self, state: str, **values: Any) -> None:
        """Say what the guard enforces."""
        record = replace(Record(state=state, since=self.moment), **values)
        store.write(paths.ENFORCED, json.dumps(asdict(record)))

    def canary(self, verdict: str, **values: Any) -> None:
        """Say what the canary found."""
        store.write(paths.CANARY, json.dumps({"verdict": verdict, **values}))

    def guard(self) -> None:
        """Have the guard say that it lives."""
        store.write(paths.GUARD, f'{{"checked": {self.moment}}}')

    def deliver(self, _settings: Settings, hook: Hook, message: Message) -> Outcome:
        """Take a message, as a hook does: it is out before anybody notes that."""
        if self.answer.kind == "sent":
            with (self.folder / "taken").open("a") as file:
                file.write(json.dumps(asdict(message)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        return self.answer

    def taken(self) -> list[dict[str, Any]]:
        """Return what the hook took."""
        path = self.folder / "taken"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def heard(self) -> list[str]:
        """Return what the hook took, as words, and forget it."""
        found = [f"{m['kind']} {m['key'].partition(':')[0]}" for m in self.taken()]
        (self.folder / "taken").unlink(missing_ok=True)
        return found

    def daemon(self) -> Daemon:
        """Return the job as it starts."""
        return Daemon(Queue(connect(paths.ALERTS)))

    def run(self, daemon: Daemon, seconds: int, start: float = 0.0) -> float:
        """Let it look once a second for some seconds; return where its clock is then."""
        for second in range(seconds):
            self.moment += 1
            daemon.step(start + second)
            self.finish(daemon)
        return start + seconds

    @staticmethod
    def finish(daemon: Daemon) -> None:
        """Wait until nothing is under way."""
        deadline = time.monotonic() + 20
        while daemon.sender.finish(daemon.queue, clock.now()):
            assert time.monotonic() < deadline
            time.sleep(0.001)


def prepared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AlertHost:
    """Return a host in `folder` that is well, with one hook."""
    host = AlertHost(folder)
    for name in ("ALERTS", "HOOKS", "EVENTS", "GUARD", "ENFORCED", "CANARY", "WINDOW", "CUT",
                 "STANDING", "AUDIT"):  # fmt: skip
        monkeypatch.setattr(paths, name, folder / "host" / getattr(paths, name).name)
    monkeypatch.setattr(clock, "now", lambda: host.moment)
    monkeypatch.setattr(alert_send, "deliver", host.deliver)
    monkeypatch.setattr(alert_agent, "look", lambda: None)
    monkeypatch.setattr(alert_watch, "CANARY_JOB", folder)
    (folder / "host").mkdir(exist_ok=True)
    host.settle()
    host.record("open")
    host.guard()
    host.canary("green")
    return host
