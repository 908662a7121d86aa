"""`clawkeep audit --schedule`: tried first, then installed, then expected; and all of it undone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from clawkeep import cli, state
from clawkeep.audit import schedule, tell
from clawkeep.audit.history import JOURNAL
from clawkeep.audit.note import DAY_S, FORMAT, SLACK_S, Last, Note, Schedule
from clawkeep.remote import Outcome
from clawkeep.target import Target
from tests.unit.audit.machine import machine

T = 1_800_000_000.0
RAN = Last(T, "well", "me@laptop", passed=291)

#: What the scheduler will run, in this world: it leaves its argv and its environment.
PROGRAM = """#!/bin/sh
echo "$*" > "$CLAWKEEP_PROJECT/argv"; env > "$CLAWKEEP_PROJECT/env"
[ -e "$CLAWKEEP_PROJECT/broken" ] && { echo 'no SSH: the key has a passphrase' >&2; exit 2; }
echo >> "$CLAWKEEP_PROJECT/arrived"
"""


class Host:
    """The host's own `clawkeep audit`, asked by whoever has a session."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.note = Note()
        self.now = T
        self.calls: list[list[str]] = []
        self.knows = True

    def __call__(self, _session: object, words: Sequence[str], _s: float = 0) -> Outcome:
        self.calls.append(list(words))
        if not self.knows:
            return Outcome(64, "", "usage: clawkeep {alert,…}")
        if words[1] == "schedule":
            self.note = replace(self.note, schedule=Schedule(int(words[2]), "me@laptop", self.now))
        elif words[1] == "unschedule":
            self.note = replace(self.note, schedule=None)
        if (arrived := self.project / "arrived").exists():
            self.note = replace(self.note, last=replace(RAN, t=T + arrived.stat().st_size))
        data = {**asdict(self.note), "now": self.now, "due": self.note.due(self.now)}
        return Outcome(0, json.dumps(data), "")


class Session:
    def __init__(self, _target: Target) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def host(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(project)
    (tmp_path / "me").mkdir()
    machine(tmp_path / "me", monkeypatch, "crontab")
    program = tmp_path / "me/bin/clawkeep"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("clawkeep.cli.here.target", lambda: Target("mini"))
    monkeypatch.setattr(tell, "HostSession", Session)
    monkeypatch.setattr(tell, "on_host", made)
    monkeypatch.setenv("CLAWKEEP_HOST", "me@mini")
    monkeypatch.setenv("CLAWKEEP_STATE", str(project / "state"))
    monkeypatch.setenv("MY_TOKEN", "hush")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/ssh-of-this-login")
    return made


def crontab() -> str:
    path = Path(os.environ["BOX"]) / "crontab"
    return path.read_text() if path.exists() else ""


def audit(*words: str) -> int:
    return cli.main(["audit", *words])


def test_a_schedule_is_tried_installed_expected_and_taken_away(
    host: Host, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit("--schedule", "daily") == 0
    assert (project / "argv").read_text() == "audit --scheduled\n"
    assert "audit --scheduled --due daily" in crontab()
    assert host.note.schedule == Schedule(DAY_S, "me@laptop", T)
    said = capsys.readouterr().err
    assert "is installed" in said
    assert "nobody is alerted" in said
    assert audit("--schedule", "daily") == 0
    assert "was there already" in capsys.readouterr().err
    assert crontab().count("--due") == 1
    assert audit("--schedule", "weekly") == 0
    assert (crontab().count("--due"), "--due weekly" in crontab()) == (1, True)
    assert audit("--schedule", "off") == 0
    assert crontab() == ""
    assert host.note == Note(last=host.note.last)
    assert audit("--schedule", "off") == 0
    assert "this machine had no such job" in capsys.readouterr().err


def test_the_job_has_what_names_the_keep_and_nothing_of_the_login(
    host: Host, project: Path
) -> None:
    audit("--schedule", "daily")
    there = dict(line.split("=", 1) for line in (project / "env").read_text().splitlines())
    assert there["CLAWKEEP_HOST"] == "me@mini"
    assert there["CLAWKEEP_STATE"] == str(project / "state")
    assert {"MY_TOKEN", "SSH_AUTH_SOCK"} & there.keys() == set()
    assert "hush" not in crontab()


def test_what_does_not_work_for_a_scheduler_is_not_installed(
    host: Host, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "broken").touch()
    assert audit("--schedule", "daily") == 2
    said = capsys.readouterr().err
    assert "the first audit did not arrive (exit status 2)" in said
    assert "the key has a passphrase" in said
    assert (crontab(), host.note.schedule) == ("", None)


def test_a_host_of_an_older_clawkeep_is_named(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.knows = False
    assert audit("--schedule", "daily") == 2
    assert "clawkeep apply base" in capsys.readouterr().err
    assert crontab() == ""


def test_a_machine_without_a_scheduler_is_refused_before_anything(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert audit("--schedule", "daily") == 2
    assert "neither systemd for users nor crontab" in capsys.readouterr().err
    assert host.calls == []


def test_another_machine_may_make_them(host: Host, project: Path) -> None:
    assert audit("--schedule", "weekly", "--elsewhere") == 0
    assert host.note.schedule is not None
    assert host.note.schedule.every_s == 7 * DAY_S
    assert (crontab(), (project / "argv").exists()) == ("", False)
    assert audit("--elsewhere") == 2


def test_show_says_whether_they_come(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit("--schedule", "show") == 1
    assert "expects no audit" in capsys.readouterr().out
    audit("--schedule", "daily")
    capsys.readouterr()
    assert audit("--schedule", "show", "--json") == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (data["scheduler"], data["overdue"], data["last"]["passed"]) == ("cron", False, 291)
    assert data["job"] in crontab()
    host.now += DAY_S + SLACK_S + 60
    assert audit("--schedule", "show") == 1
    out = capsys.readouterr().out
    assert "OVERDUE" in out
    assert "291 as declared" in out


def journal(folder: Path, *lines: dict[str, Any]) -> None:
    (folder / JOURNAL).write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "{\n")


def at(ago_h: float, **values: Any) -> dict[str, Any]:
    when = datetime.fromtimestamp(T - ago_h * 3600, UTC).isoformat()
    return {"at": when, "verdict": "well", "error": "", **values}


@pytest.mark.parametrize(
    ("lines", "due"),
    [
        ([], True),
        ([at(20)], False),
        ([at(23.8)], True),
        ([at(30), at(2)], False),
        # What was no whole audit, or could not tell, counts for nothing.
        ([at(30), at(2, only="host/job/*")], True),
        ([at(30), at(2, error="no SSH")], True),
        ([at(30), at(2, verdict="unknown")], True),
        ([at(20), at(2, verdict="bad")], False),
        ([at(-40)], True),
        ([{"at": "yesterday"}], True),
    ],
)
def test_an_audit_is_due_when_the_last_whole_one_is_old(
    tmp_path: Path, lines: list[dict[str, Any]], due: bool
) -> None:
    journal(tmp_path, *lines)
    assert schedule.due(tmp_path, "daily", T) == due


def test_one_that_is_not_due_asks_nobody(
    host: Host, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = state.folder("mini", "nanoclaw-vm")
    journal(folder, at(1))
    monkeypatch.setattr("time.time", lambda: T)
    assert audit("--scheduled", "--due", "daily") == 0
    assert host.calls == []


def test_the_note_on_the_host_is_one_that_it_takes() -> None:
    text = json.dumps({"format": FORMAT, "schedule": None, "last": asdict(RAN)})
    assert json.loads(Note(last=RAN).text()) == json.loads(text)
