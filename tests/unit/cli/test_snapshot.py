"""`clawkeep snapshot` as it is typed: what it hands to the host, and when it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from clawkeep import cli
from clawkeep.cli import snapshot as verb
from clawkeep.target import NoTargetError, Target
from connectors import lock


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    found: list[list[str]] = []

    def pass_on(words: list[str], timeout_s: float) -> int:
        found.append(words)
        return 1

    monkeypatch.setattr(verb, "pass_on", pass_on)
    monkeypatch.setattr(verb, "operator", lambda: "me@here")
    monkeypatch.setattr(verb, "target", lambda: Target("mac", state=str(tmp_path)))
    monkeypatch.setattr(lock, "held", lambda name: found.append(["held", name]))
    return found


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["create"], [["held", "mac"], ["snapshot", "create", "--reason=by me@here"]]),
        (
            ["create", "--reason", "x y", "--json"],
            [["held", "mac"], ["snapshot", "create", "--reason=x y", "--json"]],
        ),
        (["list", "--json"], [["snapshot", "list", "--json"]]),
        (["verify"], [["snapshot", "verify", "latest"]]),
        (["restore", "verified"], [["held", "mac"], ["snapshot", "restore", "verified"]]),
        (["prune", "--dry-run"], [["snapshot", "prune", "--dry-run"]]),
        (["status"], [["snapshot", "status"]]),
    ],
)
def test_the_host_does_it(
    handed: list[list[str]], typed: list[str], words: list[list[str]]
) -> None:
    assert cli.main(["snapshot", *typed]) == 1
    assert handed == words


def test_no_host_is_said(
    handed: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody() -> Target:
        raise NoTargetError("no lab is up")

    monkeypatch.setattr(verb, "target", nobody)
    assert cli.main(["snapshot", "create"]) == 2
    assert "no lab is up" in capsys.readouterr().err
    assert handed == []


def test_a_restore_names_what() -> None:
    with pytest.raises(SystemExit):
        cli.main(["snapshot", "restore"])
