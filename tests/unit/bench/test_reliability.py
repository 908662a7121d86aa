"""The table of faults: what was measured, no more, and the page is what the figures say."""

from __future__ import annotations

import json

import pytest

from bench import reliability

ROW = {
    "fault": "x", "cause": "y", "detected_s": 12.4, "repair": "process", "mended_s": None,
    "lost": 0,
}  # fmt: skip
RESULTS = {"when": "2026-01-01", "cores": 2, "rows": {"x": ROW}}


def test_each_row_that_was_measured_is_a_line_and_no_other() -> None:
    lines = list(reliability.table(RESULTS))
    assert lines[-1] == "| x | y | 12 s | process | - | 0 |"
    assert len(lines) == 5
    assert "2026-01-01" in lines[0]


def test_only_the_table_of_a_page_is_replaced() -> None:
    text = f"before {reliability.BEGIN} old {reliability.END} after"
    made = reliability.page(text, RESULTS)
    assert made.startswith("before ")
    assert made.endswith(" after")
    assert " old " not in made
    assert reliability.page(made, RESULTS) == made


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        reliability.page("nothing", RESULTS)


def test_the_page_is_what_the_figures_say() -> None:
    assert json.loads(reliability.RESULTS.read_text())["rows"]
    assert reliability.main(["--check"]) == 0
