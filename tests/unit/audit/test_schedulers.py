"""The schedulers: a job is installed once, changed when it must be, and taken away whole."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from clawkeep.audit.schedulers import Job, SchedulerError, Systemd, here
from tests.unit.audit.machine import machine

NAMES = {"launchd": "launchctl", "systemd": "systemctl", "cron": "crontab"}
NAME = "com.clawkeep.audit.0011aabb"


def job(folder: Path, **values: str) -> Job:
    """A job with all that a scheduler could read otherwise: blanks, `%`, `$`, quotes."""
    made = folder / "a 100% 'good' $folder"
    made.mkdir(exist_ok=True)
    program = made / "print"
    program.write_text('#!/bin/sh\nprintf "%s|" "$PWD" "$ODD" "$@"\n')
    program.chmod(0o755)
    odd = {"ODD": '50% of "$HOME"', **values}
    return Job(NAME, (str(program), "audit", "$x", 'a "b" %h'), made, made / "audit.log", odd)


@pytest.fixture(params=sorted(NAMES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def box(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return machine(tmp_path, monkeypatch, NAMES[kind])


def test_a_job_is_installed_once_changed_and_taken_away(
    kind: str, box: Path, tmp_path: Path
) -> None:
    scheduler = here("Darwin" if kind == "launchd" else "Linux")
    assert scheduler.word == kind
    made = job(tmp_path)
    assert not scheduler.there(NAME)
    assert scheduler.put(made)
    assert scheduler.there(NAME)
    assert not scheduler.put(made)
    assert scheduler.put(replace(made, environment={"CLAWKEEP_HOST": "me@mini"}))
    assert scheduler.there(NAME)
    assert scheduler.remove(NAME)
    assert not scheduler.there(NAME)
    assert not scheduler.remove(NAME)
    home = tmp_path / "home"
    left = [path.name for path in home.rglob("*") if path.is_file()]
    assert left == []
    assert not [line for line in _crontab(box) if line]


def _crontab(box: Path) -> list[str]:
    path = box / "crontab"
    return path.read_text().splitlines() if path.exists() else []


OTHERS = "MAILTO=me\n# mine\n5 4 * * * /usr/bin/true\n"


@pytest.mark.parametrize("kind", ["cron"])
def test_a_crontab_s_other_lines_stay(kind: str, box: Path, tmp_path: Path) -> None:
    (box / "crontab").write_text(OTHERS.replace("MAILTO=me\n", ""))
    cron = here("Linux")
    other = replace(job(tmp_path), name="com.clawkeep.audit.ffffffff")
    cron.put(other)
    cron.put(job(tmp_path))
    (box / "crontab").write_text((box / "crontab").read_text() + "6 4 * * * /usr/bin/false\n")
    cron.put(job(tmp_path, MORE="1"))
    cron.remove(other.name)
    cron.remove(NAME)
    assert _crontab(box) == ["# mine", "5 4 * * * /usr/bin/true", "6 4 * * * /usr/bin/false"]


@pytest.mark.parametrize("kind", ["cron"])
def test_a_crontab_that_cannot_be_read_is_not_written(
    kind: str, box: Path, tmp_path: Path
) -> None:  # fmt: skip
    (box / "crontab").write_text(OTHERS)
    (box / "denied").touch()
    with pytest.raises(SchedulerError, match="must be privileged"):
        here("Linux").put(job(tmp_path))
    assert (box / "crontab").read_text() == OTHERS


@pytest.mark.parametrize("kind", ["cron"])
def test_cron_s_line_runs_exactly_the_command(
    kind: str, box: Path, tmp_path: Path
) -> None:  # fmt: skip
    made = job(tmp_path)
    here("Linux").put(made)
    line = _crontab(box)[-1]
    assert line.split()[1:5] == ["*"] * 4
    # As crontab(5) has it: an escaped % is one, any other ends the command.
    command = line.split(maxsplit=5)[5].replace(r"\%", "%")
    subprocess.run(["/bin/sh", "-c", command], check=True, env={"HOME": "/root"})
    assert made.log.read_text() == f'{made.folder}|50% of "$HOME"|audit|$x|a "b" %h|'


@pytest.mark.parametrize("kind", ["launchd"])
def test_launchd_s_job_is_what_launchd_reads(kind: str, box: Path, tmp_path: Path) -> None:
    made = job(tmp_path)
    here("Darwin").put(made)
    plist = plistlib.loads((box / f"loaded-{NAME}").read_bytes())
    assert plist["ProgramArguments"] == list(made.command)
    assert plist["EnvironmentVariables"] == made.environment
    assert (plist["StartInterval"], plist["Label"]) == (3600, NAME)
    path = tmp_path / f"home/Library/LaunchAgents/{NAME}.plist"
    assert path.stat().st_mode & 0o022 == 0


def test_systemd_takes_the_units_as_they_are(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not here")
    made = job(tmp_path)
    for name, text in Systemd.units(made).items():
        (tmp_path / name).write_text(text)
    assert _refused(verify, tmp_path) == ""
    # The control: one that is none is refused.
    (tmp_path / f"{NAME}.service").write_text("[Service]\nExecStart=\"/bin/a 'b'\"\n")
    assert "special characters" in _refused(verify, tmp_path)


def _refused(verify: str, folder: Path) -> str:
    return subprocess.run(
        [verify, "verify", "--user", "--man=no", str(folder / f"{NAME}.timer")],
        capture_output=True, text=True, check=False,
        env={"HOME": str(folder), "PATH": "/usr/bin", "XDG_RUNTIME_DIR": str(folder)},
    ).stderr  # fmt: skip


def test_a_machine_without_any_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path, monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(SchedulerError, match="install cron"):
        here("Linux")


def test_without_a_bus_of_systemd_cron_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = machine(tmp_path, monkeypatch, "systemctl", "crontab")
    assert here("Linux").word == "systemd"
    (box / "no-bus").touch()
    assert here("Linux").word == "cron"


@pytest.mark.parametrize("kind", ["launchd", "systemd"])
def test_what_a_scheduler_refuses_is_said(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path, monkeypatch, NAMES[kind])
    scheduler = here("Darwin" if kind == "launchd" else "Linux")
    program = tmp_path / "bin" / NAMES[kind]
    program.write_text("#!/bin/sh\necho 'it is not so' >&2; exit 5\n")
    with pytest.raises(SchedulerError, match="it is not so"):
        scheduler.put(job(tmp_path))
