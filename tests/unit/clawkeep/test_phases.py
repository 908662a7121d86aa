"""Phases by name."""

from __future__ import annotations

import pytest

from clawkeep.phases import UnknownPhaseError, chosen


@pytest.mark.parametrize(
    ("text", "phases"),
    [
        (None, {"base", "network", "agent", "skills", "operations"}),
        ("base", {"base"}),
        ("network,base", {"base", "network"}),
        (" base , network ", {"base", "network"}),
        ("base,", {"base"}),
    ],
)
def test_phases_are_chosen_by_name(text: object, phases: set[str]) -> None:
    assert chosen(text) == phases


@pytest.mark.parametrize("text", ["", ",", "all", "base network", "BASE", 1, True, ["base"]])
def test_another_word_is_an_error_that_lists_the_known_ones(text: object) -> None:
    with pytest.raises(
        UnknownPhaseError, match="known phases: base, network, agent, skills, operations"
    ):
        chosen(text)


def test_a_misspelt_phase_gets_a_suggestion() -> None:
    with pytest.raises(UnknownPhaseError) as caught:
        chosen("base,netwrok")
    assert str(caught.value) == (
        "phase=base,netwrok: unknown phase netwrok; known phases: base, network, agent, skills, "
        "operations - did you mean network?"
    )
