"""The table of faults: what passing tests recorded, and the page is what the record says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import reliability
from bench.fault_matrix import NOT_TRIED, ROWS
from tests.recording import Faults

ROW = {
    "of": "agent", "fault": "it | hangs", "says": "y", "detected_s": 12.4, "repair": "process",
    "mended_s": None, "lost": 0, "test": "tests/t.py::test_it[one]", "passed": True,
    "when": "2026-01-01", "cores": 2, "load": 0.2,
}  # fmt: skip
ELSE = dict.fromkeys(ROWS, "no time")


def results(**changed: Any) -> dict[str, Any]:
    return {"rows": {"x": ROW | changed}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "t.py").write_text("def test_it():\n    pass\n")
    return tmp_path


def test_each_row_stands_under_its_heading_with_its_test() -> None:
    lines = list(reliability.table(results()))
    assert lines[2:] == [
        f"| **{ROWS['agent']}** | | | | | | |",
        "| it \\| hangs | y | 12 s | process | - | 0 | `t` |",
    ]


def test_a_row_whose_test_passes_is_a_row(root: Path) -> None:
    assert list(reliability.problems(results(), ELSE, root)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"passed": False}, "x: its test failed: tests/t.py::test_it"),
        ({"test": "tests/t.py::test_other"}, "x: there is no such test"),
        ({"test": "tests/none.py::test_it"}, "x: there is no such test"),
        ({"of": "weather"}, "x: the matrix has no row weather"),
    ],
)
def test_a_row_without_a_passing_test_is_refused(
    root: Path, changed: dict[str, Any], said: str
) -> None:
    assert said in "\n".join(reliability.problems(results(**changed), ELSE, root))


def test_a_row_of_the_matrix_that_nobody_tried_must_say_why(root: Path) -> None:
    without = {key: why for key, why in ELSE.items() if key != "clock"}
    (said,) = reliability.problems(results(), without, root)
    assert said == f"{ROWS['clock']}: no test has shown it, and nothing says why"


def test_what_else_was_at_work_is_said() -> None:
    assert "nothing else was at work" in reliability.conditions(results())
    assert "beside other work (load 3.5 to 3.5" in reliability.conditions(results(load=3.5))


def test_only_what_is_between_the_marks_is_replaced() -> None:
    text = f"before {reliability.BEGIN} old {reliability.END} after"
    lines = list(reliability.body(results(), None))
    made = reliability.page(text, lines)
    assert made.startswith("before ")
    assert made.endswith(" after")
    assert " old " not in made
    assert reliability.page(made, lines) == made


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        reliability.page("nothing", [])


def test_the_page_is_what_the_record_says() -> None:
    assert json.loads(reliability.RESULTS.read_text())["rows"]
    assert set(NOT_TRIED) <= set(ROWS)
    assert reliability.main(["--check"]) == 0


# --- the record


def shown(test: str = "tests/t.py::test_it") -> Faults:
    faults = Faults(test)
    faults.show("agent", "it hangs", "y", detected_s=1.26)
    return faults


def test_a_row_is_kept_when_its_test_passed_and_marked_when_it_fails_later(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    shown().write(path, passed=False)
    assert json.loads(path.read_text()) == {"rows": {}}
    shown().write(path, passed=True)
    Faults("tests/t.py::test_another").write(path, passed=False)
    row = json.loads(path.read_text())["rows"]["agent: it hangs"]
    assert (row["detected_s"], row["passed"], row["test"]) == (1.3, True, "tests/t.py::test_it")
    shown().write(path, passed=False)
    assert json.loads(path.read_text())["rows"]["agent: it hangs"]["passed"] is False


def test_a_row_that_the_matrix_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError, match="no row of the matrix"):
        Faults("t").show("weather", "rain", "wet")
