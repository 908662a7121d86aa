"""Hysteresis: a hiccup is no fault, one good look is no cure, and what nobody sees is unknown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.agent.report import ILL, UNKNOWN, WELL
from clawkeep.health import finding
from clawkeep.health.causes import BLAME, CAUSES, LAYERS
from clawkeep.health.finding import Finding, Standing, blamed, pending, settle

GOOD = Finding("loop", WELL, "turns")
HUNG = Finding("loop", ILL, "stands still", "4 s", "loop-hung")
BLIND = Finding("loop", UNKNOWN, "not seen")


def looks(*found: Finding, every_s: float = 30) -> list[Standing]:
    """Return what stands after each of some looks."""
    standings: list[Standing] = []
    for number, each in enumerate(found):
        before = standings[-1] if standings else None
        standings.append(settle(before, each, 1000 + number * every_s))
    return standings


def words(standings: list[Standing]) -> list[str]:
    return [finding.WORDS[standing.finding.verdict] for standing in standings]


def test_one_bad_look_is_a_hiccup_and_two_are_a_fault() -> None:
    assert words(looks(GOOD, HUNG, GOOD, HUNG, HUNG)) == ["well"] * 4 + ["ill"]


def test_one_good_look_is_no_cure() -> None:
    assert words(looks(GOOD, HUNG, HUNG, GOOD, HUNG, GOOD, GOOD)) == (
        ["well", "well", "ill", "ill", "ill", "ill", "well"]
    )


def test_a_cause_has_its_patience() -> None:
    frozen = Finding("inside", ILL, "no answer", "", "guest-frozen")
    well = Finding("inside", WELL, "answers")
    found = looks(well, *[frozen] * 6)
    assert words(found).index("ill") == 1 + CAUSES["guest-frozen"].patience_s / 30


def test_another_cause_is_looked_at_anew() -> None:
    socket = Finding("channel", ILL, "no answer", "", "socket-dead")
    lost = Finding("channel", ILL, "lost", "", "channel-lost")
    found = looks(socket, socket, lost, lost)
    assert [standing.finding.cause for standing in found] == ["", "socket-dead"] + 2 * [
        "socket-dead"
    ]


def test_what_nobody_sees_becomes_unknown_and_says_when_it_was_seen() -> None:
    found = looks(GOOD, BLIND, BLIND, BLIND)
    assert words(found) == ["well", "well", "well", "unknown"]
    assert found[-1].seen == 1000


def test_the_first_look_of_all_is_no_verdict_of_ill() -> None:
    assert words(looks(HUNG, HUNG)) == ["unknown", "ill"]
    assert words(looks(GOOD)) == ["well"]


def test_an_early_look_is_worth_it_as_long_as_something_differs() -> None:
    found = looks(GOOD, HUNG, HUNG)
    assert [pending([standing]) for standing in found] == [False, True, False]


def test_the_lowest_layer_explains_the_others() -> None:
    ill = [
        HUNG,
        Finding("disk", ILL, "0.0 GB", "", "guest-disk-full"),
        Finding("channel", ILL, "lost", "", "channel-lost"),
    ]
    assert blamed(ill) == ill[1]
    assert blamed([GOOD, BLIND]) is None


def test_every_layer_can_be_blamed() -> None:
    assert sorted(BLAME) == sorted(LAYERS)


FINDINGS = st.sampled_from([GOOD, HUNG, BLIND, Finding("loop", ILL, "x", "", "socket-dead")])


@given(st.lists(st.tuples(FINDINGS, st.floats(min_value=1, max_value=600)), min_size=1))
def test_whatever_is_seen_ill_was_seen_twice_and_survives_the_disk(
    seen: list[tuple[Finding, float]],
) -> None:
    now, standing = 0.0, None
    last: list[Finding] = []
    for found, passed in seen:
        now += passed
        was = standing.finding.verdict if standing else UNKNOWN
        standing = settle(standing, found, now)
        last = [*last[-1:], found]
        if standing.finding.verdict is ILL and was is not ILL:
            assert [each.cause for each in last] == [standing.finding.cause] * 2
        assert finding.parse(json.loads(json.dumps(standing.as_data()))) == standing


@pytest.mark.parametrize(
    "change",
    [
        {"layer": "cellar"}, {"cause": "moon"}, {"verdict": "fine"}, {"verdict": "ill"},
        {"since": "x"}, {"last": None}, {"count": []},
    ],
)  # fmt: skip
def test_a_damaged_layer_is_none(change: dict[str, object]) -> None:
    data = looks(GOOD)[0].as_data()
    assert finding.parse(data) is not None
    assert finding.parse({**data, **change}) is None
