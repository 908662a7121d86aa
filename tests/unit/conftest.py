"""Hypothesis for machines that are busy with other tests; and a project to run verbs in."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from clawkeep import declared
from clawkeep.onhost import clock, paths

CHECKOUT = Path(__file__).resolve().parents[2]

# No deadlines, and nothing kept on disk.
settings.register_profile(
    "clawkeep", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("clawkeep")


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Leave the signals as they were: a verb that ran in this process may have taken some."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)


@pytest.fixture
def own_journal_and_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the journal and the clock of this very machine out of it."""
    monkeypatch.setattr(paths, "EVENTS", tmp_path / "events.jsonl")
    monkeypatch.setattr(clock, "BASE", tmp_path / "run" / "clock.json")
    monkeypatch.setattr(clock, "LATEST", tmp_path / "var" / "clock.json")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of the shipped declaration, and no machine at all."""
    (tmp_path / "group_data").mkdir()
    shutil.copy(CHECKOUT / "allowlist.yml", tmp_path)
    shutil.copy(CHECKOUT / "group_data" / "all.py", tmp_path / "group_data")
    for name in ("CLAWKEEP_HOST", "CLAWKEEP_LAB", "CLAWKEEP_ALLOWLIST", "CLAWKEEP_STATE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLAWKEEP_PROJECT", str(tmp_path))
    monkeypatch.setenv("CLAWKEEP_LAB_ROOT", str(tmp_path / "labs"))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.chdir(tmp_path)
    declared.keep.cache_clear()
    yield tmp_path
    declared.keep.cache_clear()
