"""`clawkeep snapshot` as it is typed: what it hands to the host, and when it does not."""

from __future__ import annotations

import pytest

from clawkeep import cli
from clawkeep.cli import snapshot as verb


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    found: list[list[str]] = []

    def pass_on(words: list[str], timeout_s: float) -> int:
        found.append(words)
        return 1

    monkeypatch.setattr(verb, "pass_on", pass_on)
    monkeypatch.setattr(verb, "operator", lambda: "me@here")
    return found


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["create"], [["snapshot", "create", "--reason=by me@here"]]),
        (
            ["create", "--reason", "x y", "--json"],
            [["snapshot", "create", "--reason=x y", "--json"]],
        ),
        (["create", "--wait", "5"], [["snapshot", "create", "--reason=by me@here", "--wait=5.0"]]),
        (["list", "--json"], [["snapshot", "list", "--json"]]),
        (["verify"], [["snapshot", "verify", "latest"]]),
        (["restore", "verified"], [["snapshot", "restore", "verified"]]),
        (["prune", "--dry-run"], [["snapshot", "prune", "--dry-run"]]),
        (["status"], [["snapshot", "status"]]),
    ],
)
def test_the_host_does_it(
    handed: list[list[str]], typed: list[str], words: list[list[str]]
) -> None:
    assert cli.main(["snapshot", *typed]) == 1
    assert handed == words


def test_a_restore_names_what() -> None:
    with pytest.raises(SystemExit):
        cli.main(["snapshot", "restore"])
