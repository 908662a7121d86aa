"""Mistakes in `backup`, with their places; and what a declared backup comes to."""

from __future__ import annotations

import plistlib
import runpy
from pathlib import Path

import pytest

from clawkeep.config import ConfigError, load_keep
from clawkeep.model import Keep
from clawkeep.render.backup import DAEMON, plan_of

ALLOWLIST = """services:
  - {name: nas, port: 18022, target: "10.0.30.20:2222", kind: ssh}
  - {name: web, port: 18080, target: "10.0.30.20:80", kind: http}
"""
SERVER = '"server": {"service": "nas", "user": "b", "path": "/pool/k", "key": "sealed:ssh"}'


def load(folder: Path, text: str) -> Keep:
    (folder / "all.py").write_text(text)
    (folder / "allowlist.yml").write_text(ALLOWLIST)
    values = runpy.run_path(str(folder / "all.py"))
    return load_keep(
        folder / "allowlist.yml",
        values.get("host", {}),
        values.get("guest", {}),
        backup=values.get("backup"),
        group_data=folder,
    )


def declared(folder: Path, *lines: str) -> Keep:
    body = "".join(f"    {line},\n" for line in ('"key": "sealed:backup"', *lines))
    return load(folder, f"backup = {{\n{body}}}\n")


def test_none_is_none_and_the_keep_is_the_one_before(tmp_path: Path) -> None:
    without = load(tmp_path, "")
    assert without.backup is None
    assert load(tmp_path, "backup = None\n").digest == without.digest
    assert declared(tmp_path, '"folder": "/Volumes/B/k"').digest != without.digest


@pytest.mark.parametrize(
    ("lines", "place", "what"),
    [
        ([], "1:10", "backup: exactly one of `folder` and `server` says where to; neither"),
        (['"folder": "/Volumes/B/k"', SERVER], "1:10", "backup: exactly one of"),
        (['"folder": "B/k"'], "3:15", "backup.folder: 'B/k' must begin with /"),
        (['"folder": "/Volumes/B/../k"'], "3:15", "backup.folder: '/Volumes/B/../k' must be wri"),
        (['"folder": "/opt/clawkeep/b"'], "3:15", "backup.folder: '/opt/clawkeep/b' is no place"),
        (['"folder": "/Volumes"'], "3:15", "backup.folder: '/Volumes' is no place for backups"),
        (['"folder": "/V/k"', '"at": "24:00"'], "4:11", "backup.at: '24:00' is no time of day"),
        (['"folder": "/V/k"', '"keep": {"dayly": 7}'], "4:23", "backup.keep: unknown key 'dayly'"),
        (['"folder": "/V/k"', '"keep": {"last": 0}'], "4:22", "backup.keep.last: 0 does not fit"),
        (['"folder": "/V/k"', '"log": True'], "4:12", "backup: unknown key 'log'; did you mean"),
        (['"folder": "/V/k"', '"guest_paths": ["x"]'], "4:21", "backup.guest_paths[0]: 'x' must"),
        (['"folder": "/V/k"', '"agent": False', '"host": False'], "1:10", "backup: nothing is ba"),
        ([SERVER.replace('"nas"', '"web"')], "3:27", "backup.server.service: 'web' is no serv"),
        ([SERVER.replace('"b"', '"-oProxyCommand=x"')], "3:42", "backup.server.user: '-oProxyComm"),
        ([SERVER.replace('"user"', '"usr"')], "3:41", "backup.server: unknown key 'usr'; did you"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_place(
    tmp_path: Path, lines: list[str], place: str, what: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        declared(tmp_path, *lines)
    assert f"all.py:{place}: {what}" in str(caught.value)


def test_a_key_that_stands_in_the_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, 'backup = {"key": "hunter2 hunter2 hunter2", "folder": "/V/k"}\n')
    assert "all.py:1:18: backup.key:" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("mount", "folder"),
    [("~/shared", "/Users/me/shared/backups"), ("/Volumes/B", "/Volumes/B/k")],
)
def test_a_folder_that_the_guest_can_write_to_is_refused(
    tmp_path: Path, mount: str, folder: str
) -> None:
    guest = f'guest = {{"mounts": [{{"name": "m", "path": "{mount}"}}]}}\n'
    backup = f'backup = {{"key": "sealed:b", "folder": "{folder}"}}\n'
    with pytest.raises(ConfigError, match="which could remove its own backups"):
        load(tmp_path, guest + backup)


def test_the_plan_leads_to_the_service_of_the_allowlist(tmp_path: Path) -> None:
    keep = declared(tmp_path, SERVER)
    assert keep.backup is not None
    target = plan_of(keep, keep.backup).target
    assert (target.host, target.port, target.user) == ("10.0.30.20", 2222, "b")
    assert (target.service, target.path) == ("nas", "/pool/k")


def test_secrets_and_logs_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    folder = '"folder": "/Volumes/B/k"'
    for lines, missing in (
        ((), {".env", "credentials", "logs"}),
        (('"secrets": True',), {"logs"}),
        (('"logs": True',), {".env", "credentials"}),
    ):
        keep = declared(tmp_path, folder, *lines)
        assert keep.backup is not None
        sources = {s.name: s for s in plan_of(keep, keep.backup).sources}
        assert missing == {".env", "credentials", "logs"} & set(sources["agent"].skip)
        # Never a copy of the key that opens it.
        assert "etc/backup.key" in sources["host"].skip


def test_the_job_is_roots_and_only_ticks(tmp_path: Path) -> None:
    keep = declared(tmp_path, '"folder": "/Volumes/B/k"', '"at": "04:05"')
    assert keep.backup is not None
    job = plistlib.loads(DAEMON)
    assert job["RunAtLoad"]
    assert "StartCalendarInterval" not in job
    assert job["ProgramArguments"][1:] == ["backup", "tick"]
    assert "UserName" not in job
    assert plan_of(keep, keep.backup).at == "04:05"
