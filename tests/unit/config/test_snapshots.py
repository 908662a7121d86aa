"""Mistakes in `snapshots`, with their places; and what declared snapshots come to."""

from __future__ import annotations

import plistlib
import runpy
from pathlib import Path

import pytest

from clawkeep.config import ConfigError, load_keep
from clawkeep.model import Keep
from clawkeep.render.snapshots import DAEMON, EVERY_S, plan_of
from clawkeep.snapshots.plan import Plan, parse

IMAGE = "ghcr.io/cirruslabs/macos-sequoia-base"


def load(folder: Path, text: str) -> Keep:
    (folder / "all.py").write_text(text)
    (folder / "allowlist.yml").write_text("services: []\n")
    values = runpy.run_path(str(folder / "all.py"))
    return load_keep(
        folder / "allowlist.yml",
        {},
        {},
        backup=values.get("backup"),
        snapshots=values.get("snapshots"),
        group_data=folder,
    )


def test_none_is_none_and_the_keep_is_the_one_before(tmp_path: Path) -> None:
    without = load(tmp_path, "")
    assert load(tmp_path, "snapshots = None\n").digest == without.digest
    assert load(tmp_path, "snapshots = {}\n").digest != without.digest
    # Nothing is made by itself; what is made by hand still rotates.
    assert plan_of(without) == Plan(at="", keep=7, image=IMAGE)


def test_what_is_declared_reaches_the_host(tmp_path: Path) -> None:
    keep = load(tmp_path, 'snapshots = {"at": "02:05", "keep": 3, "free_gb": 50}\n')
    plan = plan_of(keep)
    assert plan == Plan("02:05", 3, 7, 50, 60, IMAGE)
    assert parse(plan.text()) == plan


def test_the_job_only_ticks() -> None:
    job = plistlib.loads(DAEMON)
    assert job["StartInterval"] == EVERY_S
    assert job["ProgramArguments"][1:] == ["snapshot", "tick"]
    assert "UserName" not in job
    assert "StartCalendarInterval" not in job
    # Told to end, it starts the guest again, which takes as long as a shutdown.
    assert job["ExitTimeOut"] >= 300


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("snapshots = 7", "1:13", "snapshots: a mapping is expected here, not int"),
        ('snapshots = {"at": "24:00"}', "1:20", "snapshots.at: '24:00' is no time of day"),
        ('snapshots = {"keep": 0}', "1:22", "snapshots.keep: 0 does not fit"),
        ('snapshots = {"kept": 7}', "1:22", "snapshots: unknown key 'kept'"),
        ('snapshots = {"free_gb": 1}', "1:25", "snapshots.free_gb: 1 does not fit"),
    ],
)
def test_mistakes_and_their_places(text: str, place: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{text}\n")
    (problem,) = caught.value.problems
    assert f"all.py:{place}: {what}" in str(problem)
