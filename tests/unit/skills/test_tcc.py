"""Rows of TCC: written into a database of a known form where macOS lets one, and nowhere else."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clawkeep.skills import registry, tcc
from clawkeep.skills.skill import Scene

SEQUOIA = """
create table access (service TEXT NOT NULL, client TEXT NOT NULL, client_type INTEGER NOT NULL,
auth_value INTEGER NOT NULL, auth_reason INTEGER NOT NULL, auth_version INTEGER NOT NULL,
csreq BLOB, policy_id INTEGER, indirect_object_identifier_type INTEGER,
indirect_object_identifier TEXT NOT NULL DEFAULT 'UNUSED', indirect_object_code_identity BLOB,
flags INTEGER, last_modified INTEGER NOT NULL DEFAULT (CAST(strftime('%s','now') AS INTEGER)),
pid INTEGER, pid_version INTEGER, boot_uuid TEXT NOT NULL DEFAULT 'UNUSED',
last_reminded INTEGER NOT NULL DEFAULT 0{more},
PRIMARY KEY (service, client, client_type, indirect_object_identifier))
"""
TAHOE = ", one_time_reprompt_eligible INTEGER, reminder_count INTEGER NOT NULL DEFAULT 0"
SH = "/bin/sh"
CALENDAR = [
    ("kTCCServiceCalendar", SH, "UNUSED"),
    ("kTCCServiceAppleEvents", SH, "com.apple.iCal"),
]
OTHERS = ("kTCCServiceReminders", "/usr/bin/other", 1, 2, 4, 1)
Rows = list[tuple[Any, ...]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with the database of macOS 15, in which there is one row of somebody else's."""
    return made(tmp_path)


def made(home: Path, more: str = "") -> Path:
    path = home / tcc.DATABASE
    path.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(SEQUOIA.format(more=more))
        words = "service, client, client_type, auth_value, auth_reason, auth_version"
        database.execute(f"insert into access ({words}) values (?, ?, ?, ?, ?, ?)", OTHERS)
        database.commit()
    return home


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What csrutil says; and no tccd of this machine is ended."""
    said = {"csrutil": "System Integrity Protection status: disabled.\n", "ended": ""}

    def run(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if argv[0].endswith("killall"):
            said["ended"] += argv[1]
        return subprocess.CompletedProcess(argv, 0, said["csrutil"], "")

    monkeypatch.setattr("subprocess.run", run)
    return said


def rows(home: Path, name: str = tcc.DATABASE) -> Rows:
    with contextlib.closing(sqlite3.connect(home / name)) as database:
        words = "service, client, client_type, auth_value, indirect_object_identifier"
        return sorted(database.execute(f"select {words} from access").fetchall())


THEIRS = ("kTCCServiceReminders", "/usr/bin/other", 1, 2, "UNUSED")
OURS = [
    ("kTCCServiceAppleEvents", SH, 1, 2, "com.apple.iCal"),
    ("kTCCServiceCalendar", SH, 1, 2, "UNUSED"),
]


@pytest.mark.parametrize("more", ["", TAHOE], ids=["macOS 15", "macOS 26"])
def test_rows_are_written_once_and_taken_back(
    tmp_path: Path, commands: dict[str, str], more: str
) -> None:
    home = made(tmp_path, more)
    assert tcc.brought(str(home), CALENDAR) == (2, 0)
    assert rows(home) == [*OURS, THEIRS]
    assert commands["ended"] == "tccd"
    assert rows(home, tcc.BACKUP) == [THEIRS]
    assert (home / tcc.BACKUP).stat().st_mode & 0o777 == 0o600
    assert tcc.brought(str(home), CALENDAR) == (0, 0)
    assert commands["ended"] == "tccd"
    assert tcc.brought(str(home), []) == (0, 2)
    assert rows(home) == [THEIRS]
    assert not (home / tcc.LEDGER).exists()


def test_what_somebody_else_allowed_is_not_taken_back(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(home / tcc.DATABASE)) as database:
        database.execute(
            "insert into access (service, client, client_type, auth_value, auth_reason, "
            "auth_version) values ('kTCCServiceCalendar', '/bin/sh', 1, 2, 3, 1)"
        )
        database.commit()
    assert tcc.brought(str(home), CALENDAR) == (1, 0)
    assert tcc.brought(str(home), []) == (0, 1)
    assert rows(home) == [OURS[1], THEIRS]


def columns(database: sqlite3.Connection) -> None:
    database.execute("alter table access add column something INTEGER")


def denied(database: sqlite3.Connection) -> None:
    database.execute(
        "insert into access (service, client, client_type, auth_value, auth_reason, auth_version)"
        " values ('kTCCServiceCalendar', '/bin/sh', 1, 0, 3, 1)"
    )


def no_table(database: sqlite3.Connection) -> None:
    database.execute("drop table access")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (columns, "TCC.db has a table of 18 columns that is not known"),
        (no_table, "TCC.db has a table of 0 columns that is not known"),
        (denied, "kTCCServiceCalendar is not allowed for /bin/sh, as somebody decided"),
    ],
)
def test_a_database_that_is_not_as_it_must_be_is_left_alone(
    home: Path, change: Callable[[sqlite3.Connection], None], why: str
) -> None:
    with contextlib.closing(sqlite3.connect(home / tcc.DATABASE)) as database:
        change(database)
        database.commit()
    before = (home / tcc.DATABASE).read_bytes()
    with pytest.raises(tcc.Refused, match=why):
        tcc.brought(str(home), CALENDAR)
    assert (home / tcc.DATABASE).read_bytes() == before
    assert not (home / tcc.LEDGER).exists()


@pytest.mark.parametrize(
    "status",
    [
        "System Integrity Protection status: enabled.\n",
        "System Integrity Protection status: unknown (Custom Configuration).\n\nConfiguration:\n",
        "System Integrity Protection status: disabled (sort of).\n",
        "",
    ],
)
def test_without_a_plain_disabled_nothing_is_written(
    home: Path, commands: dict[str, str], status: str
) -> None:
    commands["csrutil"] = status
    with pytest.raises(tcc.Refused):
        tcc.brought(str(home), CALENDAR)
    assert rows(home) == [THEIRS]


def test_no_database_and_no_program_are_said(home: Path, tmp_path: Path) -> None:
    with pytest.raises(tcc.Refused, match="/opt/none is no program"):
        tcc.brought(str(home), [("kTCCServiceCalendar", "/opt/none", "UNUSED")])
    (home / tcc.DATABASE).unlink()
    with pytest.raises(tcc.Refused, match="comes with the user's first login at the screen"):
        tcc.brought(str(home), CALENDAR)


def test_a_file_that_is_no_database_is_an_answer(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / tcc.DATABASE).write_bytes(b"no database" * 100)
    monkeypatch.setenv("HOME", str(home))
    tcc.main(json.dumps(CALENDAR))
    said = json.loads(capsys.readouterr().out)
    assert (said["added"], "file is not a database" in said["refused"]) == (0, True)


def test_nothing_is_asked_for_unless_the_operator_says_write() -> None:
    for name, service in (
        ("calendar", "kTCCServiceCalendar"),
        ("reminders", "kTCCServiceReminders"),
    ):
        skill, scene = registry()[name], Scene("claw")
        assert skill.wants(skill.options(), scene).grants == ()
        grants = skill.wants(skill.options(tcc="write"), scene).grants
        assert [grant.service for grant in grants] == [service, "kTCCServiceAppleEvents"]
        assert {grant.client for grant in grants} == {"/usr/libexec/sshd-keygen-wrapper"}
        for wrong in ("node", "/a/../b", "/a b"):
            with pytest.raises(ValueError, match="no program's path"):
                skill.options(tcc="write", clients=[wrong])
