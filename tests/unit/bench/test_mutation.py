"""Mutation testing is worth what its faults are: each changes the program, and tests are seen."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from bench.mutants import mutated, sites

CHECKOUT = Path(__file__).resolve().parents[3]
SOURCE = '''
"""A docstring."""
import re
TOP: "Final" = 3

@decorated(True)
def look(text: "str", far: int = 1) -> "str":
    """Another one."""
    if not text or far < TOP and text != "x":
        raise ValueError("a word of an error")
    for each in text:
        if each in "ab":
            continue
        yield -far + 1
    assert text, "never mind"
    return f"{text:>8} end"
'''
LEFT_ALONE = ("A docstring.", "Another one.", "@decorated(True)", "text: 'str'", "'never mind'")


def test_each_fault_changes_the_program_and_nothing_else_is_touched() -> None:
    whole = ast.unparse(ast.parse(SOURCE))
    count = len(sites(ast.parse(SOURCE)))
    texts = [ast.unparse(mutated(SOURCE, number)) for number in range(count)]
    assert whole not in texts
    assert len(set(texts)) == count
    for text in texts:
        compile(text, "x", "exec")
        for left_alone in LEFT_ALONE:
            assert left_alone in text
        assert "raise ValueError('a word of an error')" in text or "raise" not in text


def test_every_kind_of_fault_is_there() -> None:
    texts = [ast.unparse(mutated(SOURCE, n)) for n in range(len(sites(ast.parse(SOURCE))))]
    for planted in (
        "TOP: 'Final' = 4",
        "far: int=2",
        "if not (not text or (far < TOP and text != 'x')):",
        "not text and (far < TOP and text != 'x')",
        "far <= TOP",
        "text == 'x'",
        "text != 'XXx'",
        "each not in 'ab'",
        "yield (far + 1)",
        "yield (-far - 1)",
        "return None",
        "XX end",
    ):
        assert any(planted in text for text in texts), planted
    assert any("raise" not in text for text in texts)
    assert any("continue" not in text for text in texts)
    assert any("yield" not in text for text in texts)


def test_there_is_no_fault_beyond_the_last() -> None:
    with pytest.raises(IndexError):
        mutated("x = 1\n", 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tests", "status", "said"),
    [("test_kcpassword", 0, "noticed 4 of 4"), ("test_hosts", 1, "noticed 0 of 4")],
)
def test_tests_that_look_notice_and_others_do_not(tests: str, status: int, said: str) -> None:
    command = [sys.executable, "-m", "bench.mutation", "--only", "kcpassword", "--sample", "4"]
    done = subprocess.run(
        [*command, "--tests", f"tests/unit/render/{tests}.py"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, said in done.stdout) == (status, True), done.stdout + done.stderr
