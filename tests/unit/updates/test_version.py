"""Versions: their order, and what counts as a major."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.updates.version import key, newest, step

PARTS = st.lists(st.integers(0, 3000), min_size=1, max_size=4)
VERSIONS = st.builds(
    lambda parts, revision: ".".join(map(str, parts)) + (f"_{revision}" if revision else ""),
    PARTS,
    st.integers(0, 3),
)


@pytest.mark.parametrize(
    ("installed", "available", "found"),
    [
        ("1.8.1", "1.8.2", "patch"),
        ("1.8.1", "1.8.1_1", "patch"),
        ("1.8.9", "1.9.0", "minor"),
        ("1.9", "1.10", "minor"),
        ("1.8.1", "2.0.0", "major"),
        ("15.7.1", "26.1", "major"),
        ("v1.2.0", "v1.2.52", "patch"),
        ("0.9.4", "0.10.0", "major"),
        ("0.9.4", "0.9.5", "minor"),
        ("0.0.3", "0.0.4", "major"),
        ("1.0", "1.0.0", "same"),
        ("2026-09-09", "2026-12-01", "minor"),
        ("2026.9.0", "2027.1.0", "major"),
        ("7.1.2-8", "7.1.2-9", "patch"),
        ("22.21.0", "22.9.0", "unknown"),
        ("1.2.0", "1.3.0-rc.1", "unknown"),
        ("9.9p1", "9.9p2", "unknown"),
        ("9.9p1", "9.9p1", "same"),
    ],
)
def test_the_step_between(installed: str, available: str, found: str) -> None:
    assert step(installed, available) == found


@given(VERSIONS, VERSIONS, VERSIONS)
def test_versions_are_in_one_order(first: str, second: str, third: str) -> None:
    a, b, c = key(first), key(second), key(third)
    assert a is not None and b is not None and c is not None  # noqa: PT018 - for mypy
    assert (a < b) + (b < a) + (a == b) == 1
    if a <= b <= c:
        assert a <= c


@given(VERSIONS, VERSIONS)
def test_only_one_direction_is_an_update(first: str, second: str) -> None:
    there, back = step(first, second), step(second, first)
    if there == "same":
        assert back == "same"
    else:
        # Whatever is no clear step forward counts as a major.
        assert sorted([there == "unknown", back == "unknown"]) == [False, True]


@given(PARTS, PARTS)
def test_another_first_number_is_never_small(first: list[int], second: list[int]) -> None:
    if first[0] != second[0]:
        found = step(".".join(map(str, first)), ".".join(map(str, second)))
        assert found in {"major", "unknown"}


@given(st.lists(VERSIONS, min_size=1))
def test_the_newest_is_none_of_the_others_updates(versions: list[str]) -> None:
    best = newest(versions)
    assert all(step(one, best) != "unknown" for one in versions)


def test_what_has_no_order_is_never_the_newest() -> None:
    assert newest(["HEAD-1a2b", "1.2", "1.10", "nightly"]) == "1.10"
    assert newest(["HEAD"]) == ""
