"""Which services a scheduled run asks: all of them now and then, and at once what may be down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.canary.judge import Witness, judge
from clawkeep.canary.plan import plan
from clawkeep.canary.probe import ANSWER, SILENCE
from clawkeep.canary.turns import SERVICES_S, due, mark
from clawkeep.onhost import canary, clock
from clawkeep.policy import Openings
from tests.unit.canary.test_judge import result
from tests.unit.canary.test_plan import AROUND, HTTP, LINK, NONCE, SSH, TLS, by_name
from tests.unit.canary.test_runner import GREEN, OPEN, events, host, left

__all__ = ["host"]

DOORS = Openings(
    doors=(TLS, SSH, HTTP), domains=("a.example",), resolver=True, cidrs=("1.1.1.9",), ports=(443,)
)
HERE = mark(DOORS, LINK)


def last(**more: Any) -> dict[str, Any]:
    """The result of a run at 1000 that asked everything."""
    return {"verdict": "green", "services": {"of": HERE, "t": 1000.0}, "probes": []} | more


def row(name: str, expected: str, outcome: str) -> dict[str, str]:
    return {"name": name, "expected": expected, "outcome": outcome}


def test_services_are_asked_every_five_minutes() -> None:
    assert due(last(), HERE, 1030) == frozenset()
    assert due(last(), HERE, 1000 + SERVICES_S - 30) == frozenset()
    assert due(last(), HERE, 1000 + SERVICES_S) is None
    assert SERVICES_S == 300


def test_what_did_not_answer_is_asked_until_it_does() -> None:
    rows = [
        row("door nas", ANSWER, "silent"),
        row("door vault", ANSWER, "answered"),
        row("gateway 192.168.64.1:22/tcp", SILENCE, "silent"),
    ]
    assert due(last(verdict="degraded", probes=rows), HERE, 1030) == frozenset({"door nas"})


@pytest.mark.parametrize(
    "before",
    [
        {},
        last(verdict="red"),
        last(verdict="absent"),
        last(services=None),
        last(services={"of": "another", "t": 1000.0}),
        last(services={"of": HERE, "t": "x"}),
        last(services={"of": HERE, "t": 2000.0}),
    ],
)
def test_what_changed_or_cannot_be_told_is_asked_at_once(before: dict[str, Any]) -> None:
    assert due(before, HERE, 1030) is None


def test_another_guest_or_another_door_is_another_matter() -> None:
    others = [
        mark(replace(DOORS, doors=(TLS, SSH)), LINK),
        mark(DOORS, replace(LINK, guest=LINK.guest + 1)),
    ]
    assert HERE not in others
    assert mark(replace(DOORS), replace(LINK)) == HERE


KEYS = st.sampled_from(["verdict", "services", "probes", "of", "t", "green"])
VALUES = st.recursive(
    st.none() | st.sampled_from(["green", HERE]) | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(st.dictionaries(KEYS, VALUES))
def test_no_result_of_before_hurts(before: dict[str, Any]) -> None:
    assert due(before, HERE, 1030) in {None, frozenset()}


def test_what_must_be_silent_is_asked_each_time() -> None:
    whole = by_name(plan(DOORS, LINK, AROUND, NONCE))
    made = plan(DOORS, LINK, AROUND, NONCE, services=("door nas",))
    services = {name for name, (_, expected) in whole.items() if expected == ANSWER}
    assert services == {
        "door vault", "door nas", "door home", "proxy to a.example", "resolver",
        "declared 1.1.1.9:443/tcp",
    }  # fmt: skip
    assert by_name(made) == {
        name: probe for name, probe in whole.items() if name not in services - {"door nas"}
    }
    assert f"{len(services) - 1} declared services: asked a few minutes ago" in made.notes


def test_a_run_without_services_is_green_by_what_was_refused_and_counted() -> None:
    made = plan(DOORS, LINK, AROUND, NONCE, services=())
    text = json.dumps({"nonce": NONCE, "results": [result(probe) for probe in made.probes]})
    assert judge(made, text, Witness({"clawkeep-deny4": 99})).verdict == "green"
    assert judge(made, text, Witness({"clawkeep-deny4": 0})).verdict == "red"


def test_scheduled_runs_ask_in_turn_and_one_by_hand_asks_all(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    now = [1_800_000_000.0]

    def probe(_openings: object, _found: object, _way: object, services: object) -> Any:
        asked.append(services)
        return GREEN

    monkeypatch.setattr(canary, "_probe", probe)
    monkeypatch.setattr(clock, "now", lambda: now[0])
    for _ in range(21):
        canary.main(["--scheduled"])
        now[0] += 30
    assert [services is None for services in asked] == ([True] + [False] * 9) * 2 + [True]
    canary.main([])
    assert asked[-1] is None
    now[0] += 30
    canary.main(["--scheduled"])
    assert asked[-1] == frozenset()
    assert left(host)["t"] == now[0]
    assert left(host)["services"] == {"of": mark(OPEN, LINK), "t": now[0] - 30}
    assert len(events(host)) == 1
