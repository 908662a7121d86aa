"""What is applied, and what only when somebody has said its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.updates import Plan, SelectionError, Update, selected

JQ = Update("brew", "jq", "1.8.1", "1.8.2", "patch")
GIT = Update("brew", "git", "2.52.0", "3.0.0", "major")
SSH = Update("brew", "openssh", "9.9p1", "9.9p2", "unknown")
NODE = Update("brew", "node@22", "22.1", "22.2", "minor", "brew pin", "brew unpin node@22")
CLI = Update("npm", "cli", "1.0.0", "1.0.1", "patch", "skills", "write 1.0.1 there")
MACOS = Update("macos", "macOS", "15.7.1", "26.1", "major", how="by hand")
PLAN = Plan("vm", (JQ, GIT, SSH, NODE, CLI, MACOS))


@pytest.mark.parametrize(
    ("names", "majors", "chosen"),
    [
        ((), (), (JQ,)),
        (("brew",), (), (JQ,)),
        (("brew:jq",), (), (JQ,)),
        (("npm",), (), ()),
        ((), ("brew:git",), (JQ, GIT)),
        (("brew:jq",), ("brew:openssh",), (JQ, SSH)),
    ],
)
def test_what_is_chosen(
    names: tuple[str, ...], majors: tuple[str, ...], chosen: tuple[Update, ...]
) -> None:
    assert selected(PLAN, names, majors) == chosen


@pytest.mark.parametrize(
    ("names", "majors", "said"),
    [
        (("brew:git",), (), "--major brew:git"),
        (("brew:openssh",), (), "is a major"),
        (("brew:node@22",), (), "brew unpin node@22"),
        (("npm:cli",), (), "write 1.0.1 there"),
        ((), ("macos:macOS",), "by hand"),
        (("brew:jqq",), (), "did you mean brew:jq"),
        ((), ("git",), "expected KIND:NAME"),
        ((), ("brew:nothing",), "there is no update"),
    ],
)
def test_what_is_refused(names: tuple[str, ...], majors: tuple[str, ...], said: str) -> None:
    with pytest.raises(SelectionError, match=said):
        selected(PLAN, names, majors)


UPDATES = st.builds(
    Update,
    st.sampled_from(["brew", "npm", "macos"]),
    st.sampled_from("abcde"),
    st.just("1"),
    st.just("2"),
    st.sampled_from(["patch", "minor", "major", "unknown"]),
    how=st.sampled_from(["", "by hand"]),
)


@given(st.lists(UPDATES, max_size=8, unique_by=lambda u: u.ref), st.sets(st.sampled_from("abcde")))
def test_never_a_major_that_nobody_named(updates: list[Update], named: set[str]) -> None:
    majors = [u.ref for u in updates if u.name in named and u.kind == "brew" and not u.how]
    for chosen in selected(Plan("vm", tuple(updates)), (), majors):
        assert not chosen.major or chosen.ref in majors
        assert not chosen.how


def test_a_plan_says_what_it_does_not_know() -> None:
    assert Plan("vm").status == 0
    assert Plan("vm", (JQ,)).status == 2
    assert Plan("vm", (), ("brew: no answer",)).status == 2
    assert any("no answer" in line for line in Plan("vm", (), ("brew: no answer",)).lines())
