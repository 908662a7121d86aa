"""`clawkeep alert` on the operator's side: what reaches the host, and what makes no sense."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from clawkeep import cli
from clawkeep.cli import alert


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    found: list[list[str]] = []

    def pass_on(arguments: Sequence[str], timeout_s: float = 30) -> int:
        found.append(list(arguments))
        return 0

    monkeypatch.setattr(alert, "pass_on", pass_on)
    monkeypatch.setattr(alert, "operator", lambda: "alice@laptop")
    return found


@pytest.mark.parametrize(
    ("words", "host"),
    [
        ([], ["list"]),
        (["list", "--json"], ["list", "--json"]),
        (["test"], ["test"]),
        (["test", "ntfy", "--json"], ["test", "--json", "--", "ntfy"]),
        (
            ["silence", "window", "--for", "2h", "--reason", "a b"],
            ["silence", "--for=2h", "--reason=a b", "--who=alice@laptop", "--", "window"],
        ),
        (
            ["silence", "all", "--end"],
            ["silence", "--end", "--who=alice@laptop", "--", "all"],
        ),
    ],
)
def test_what_is_asked_of_the_host(
    asked: list[list[str]], words: list[str], host: list[str]
) -> None:
    assert cli.main(["alert", *words]) == 0
    assert asked == [["alert", *host]]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["list", "x"], "takes no name"),
        (["list", "--for", "2h"], "belong to"),
        (["test", "--end"], "belong to"),
        (["silence"], "which alert?"),
        (["silence", "x"], "say for how long"),
        (["silence", "x", "--for", "2h", "--end"], "say for how long"),
    ],
)
def test_what_makes_no_sense_is_said_and_nothing_asked(
    asked: list[list[str]], capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    assert cli.main(["alert", *words]) == 2
    assert why in capsys.readouterr().err
    assert asked == []
