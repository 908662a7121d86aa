"""The bottle cache: idempotent, whole or absent, and honest about what is missing."""

import json
from pathlib import Path

import pytest

from lab import bottles
from lab.bottles import Bottle, fill, missing
from lab.fetching import UnavailableError


@pytest.fixture
def one_bottle(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A single bottle whose filler keeps a list of its runs."""
    runs: list[str] = []

    def fill_it(target: Path, wants: list[str]) -> None:
        runs.append(wants[0])
        (target / "file").write_text("content")

    bottle = Bottle("thing", ["thing@1"], fill_it, "`brew install thing` will fail")
    monkeypatch.setattr(bottles, "bottles", lambda: [bottle])
    return runs


def quiet(_line: str) -> None:
    """Say nothing."""


def test_a_second_fill_fetches_nothing(tmp_path: Path, one_bottle: list[str]) -> None:
    assert fill(tmp_path, say=quiet) == []
    assert fill(tmp_path, say=quiet) == []

    assert one_bottle == ["thing@1"]
    assert (tmp_path / "thing/file").read_text() == "content"


def test_another_version_is_fetched_anew(tmp_path: Path, one_bottle: list[str]) -> None:
    fill(tmp_path, say=quiet)
    (tmp_path / "thing" / bottles.STAMP).write_text(json.dumps(["thing@0"]))

    fill(tmp_path, say=quiet)

    assert one_bottle == ["thing@1", "thing@1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "thing"]


def test_a_failed_fetch_leaves_nothing_and_says_what_will_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(target: Path, _wants: list[str]) -> None:
        (target / "half").touch()
        raise UnavailableError("`npm pack` failed: network")

    broken = Bottle("node@22", ["node@1"], offline, "`brew install node@22` will fail in the lab")
    monkeypatch.setattr(bottles, "bottles", lambda: [broken])

    assert fill(tmp_path, say=quiet) == [
        (
            "node@22 is missing: `npm pack` failed: network. "
            "`brew install node@22` will fail in the lab."
        )
    ]
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(bottles, "_interpreter", lambda: "python-that-is-not-there")

    problems = fill(tmp_path, say=quiet)

    assert problems[0] == (
        "node@22 is missing: `npm` is not installed here. "
        "`brew install node@22` will fail in the lab, and images come without it."
    )


def test_check_only_looks(tmp_path: Path, one_bottle: list[str]) -> None:
    assert missing(tmp_path) == ["thing is missing. `brew install thing` will fail."]
    assert one_bottle == []


def test_the_command_line_ends_with_one_when_something_is_missing(
    tmp_path: Path, one_bottle: list[str]
) -> None:
    assert bottles.main(["--dir", str(tmp_path), "--check"]) == 1
    assert bottles.main(["--dir", str(tmp_path)]) == 0
    assert bottles.main(["--dir", str(tmp_path), "--check"]) == 0
