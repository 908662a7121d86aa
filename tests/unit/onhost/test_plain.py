"""What a terminal is shown of what others wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.onhost.plain import plain


@given(st.text(), st.integers(0, 300))
def test_what_a_terminal_is_shown_is_visible_and_short(text: str, width: int) -> None:
    shown = plain(text, width)
    assert shown.isprintable()
    assert len(shown) <= width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("all is well, as it was: naïve ✓", "all is well, as it was: naïve ✓"),
        ("\x1b[2Jall\x07 is well\r\nreally", "?[2Jall? is well??really"),
        ("\u202egnp.exe\u2066", "?gnp.exe?"),
        ("x" * 500, "x" * 200),
    ],
)
def test_only_what_can_be_seen_is_left(text: str, shown: str) -> None:
    assert plain(text) == shown
