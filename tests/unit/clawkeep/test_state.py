"""Where the operator's side keeps its state."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from clawkeep import state


def test_an_override_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLAWKEEP_STATE", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert state.root() == tmp_path


def test_otherwise_it_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLAWKEEP_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert state.root() == Path("/elsewhere/clawkeep")


def test_and_in_the_home_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLAWKEEP_STATE", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert state.root() == Path("/home/me/.local/state/clawkeep")


@pytest.mark.parametrize(
    ("host", "name"),
    [("mini", "mini"), ("@local", "@local"), ("mac:2222", "mac_2222"), ("a/../b", "a_.._b")],
)
def test_a_folder_is_private_and_named_after_its_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, name: str
) -> None:
    monkeypatch.setenv("CLAWKEEP_STATE", str(tmp_path))
    assert state.folder(host) == tmp_path / name
    guest = state.folder(host, "keep")
    assert guest == tmp_path / name / "keep"
    assert stat.S_IMODE(guest.stat().st_mode) == 0o700
