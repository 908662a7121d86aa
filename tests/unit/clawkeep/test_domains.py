"""Lists of domains: what an entry lets pass, and lists without superfluous entries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.domains import allows, covers, domain, minimal

label = st.sampled_from(["a", "b", "xa"])
name = st.lists(label, min_size=2, max_size=4).map(".".join)
entry = st.builds(lambda dot, text: f"{dot}{text}", st.sampled_from(["", "."]), name)


@pytest.mark.parametrize(
    ("pattern", "asked", "passes"),
    [
        ("x.example", "x.example", True),
        ("x.example", "X.Example.", True),
        ("x.example", "a.x.example", False),
        ("x.example", "xx.example", False),
        (".x.example", "x.example", True),
        (".x.example", "a.b.x.example", True),
        (".x.example", "evilx.example", False),
        (".x.example", "x.example.evil.example", False),
    ],
)
def test_a_leading_dot_stands_for_a_name_and_all_below_it(
    pattern: str, asked: str, passes: bool
) -> None:
    assert covers(pattern, asked) is passes
    assert allows(["other.example", pattern], asked) is passes


@given(st.lists(entry, max_size=8), name)
def test_a_minimal_list_lets_pass_exactly_what_the_list_did(entries: list[str], asked: str) -> None:
    assert allows(minimal(entries), asked) is allows(entries, asked)


@given(st.lists(entry, max_size=8))
def test_no_entry_of_a_minimal_list_covers_another(entries: list[str]) -> None:
    kept = minimal(entries)
    assert len(set(kept)) == len(kept)
    assert not [(a, b) for a in kept for b in kept if a != b and covers(a, b)]


@given(st.text(max_size=40))
def test_whatever_is_taken_for_a_domain_can_stand_in_squid_conf(text: str) -> None:
    try:
        made = domain(text)
    except ValueError:
        return
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert domain(made) == made
