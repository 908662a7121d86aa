"""What every benchmark's command line does with a result, and without one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.command import Result, parser, run
from bench.report import Target
from bench.series import FailedError


def found(value: float) -> Callable[[Path], Result]:
    return lambda _: Result(["a line"], [Target("a figure", value, 2)], {"value": value})


@pytest.mark.parametrize(("value", "status", "word"), [(1.5, 0, "ok"), (2.5, 1, "MISSED")])
def test_a_missed_target_is_1(
    value: float, status: int, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(found(value), tmp_path / "figures.json") == status
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1].split()[-1]) == ("a line", word)
    assert json.loads((tmp_path / "figures.json").read_text()) == {"value": value}


def test_without_a_result_it_is_2_and_nothing_is_printed_or_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Path) -> Result:
        raise FailedError("no figure")

    assert run(broken, tmp_path / "figures.json") == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "bench: no result: no figure\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("turns", ["0", "-1", "x"])
def test_at_least_one_turn(turns: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser("doc", 3).parse_args(["--turns", turns])
    assert caught.value.code == 2
    assert "--turns" in capsys.readouterr().err
