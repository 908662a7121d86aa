"""The verdict: green only when every result is there, fits, and the host's evidence agrees."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.canary.judge import Result, Witness, judge
from clawkeep.canary.plan import plan
from clawkeep.canary.probe import ANSWER, Decoys, Surroundings
from clawkeep.link import Link
from clawkeep.policy import Door, Openings

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
DOORS = (
    Door("vault", 18443, "10.0.30.10", 443, kind="tls", server_name="vault.lan"),
    Door("nas", 18022, "10.0.30.20", 22, kind="ssh"),
)
PLAN = plan(
    Openings(doors=DOORS),
    LINK,
    Surroundings(decoys=Decoys(50001, 50002, 50003), own=("10.0.10.2",), gateway6="fe80::1"),
    "0123456789abcdef0123456789abcdef",
)
GROWN = {"clawkeep-deny4": 40, "clawkeep-svc-vault": 6, "clawkeep-svc-nas": 6, "clawkeep-ssh": 0}
WITNESS = Witness(GROWN)


def result(probe: Any) -> dict[str, Any]:
    """What an honest guest says of a probe when everything is as it should be."""
    answered = probe.expected == ANSWER
    evidence = "spoke" if answered else "refused"
    return {"nonce": probe.nonce, "answered": answered, "evidence": evidence, "ms": 3}


def answer(**changes: Any) -> str:
    """The whole answer, with the results of the named probes changed, or taken out by None."""
    results = []
    for probe in PLAN.probes:
        change = changes.get(probe.name, {})
        if change is not None:
            results.append(result(probe) | change)
    return json.dumps({"nonce": PLAN.nonce, "results": results}) + "\n"


def judged(text: str, witness: Witness = WITNESS) -> Result:
    return judge(PLAN, text, witness)


def test_all_as_declared_is_green() -> None:
    made = judged(answer())
    assert (made.verdict, made.status) == ("green", 0)
    assert (made.leaks, made.unable, made.failed) == ((), (), ())
    assert made.reached
    assert [row.outcome for row in made.probes[:3]] == ["answered", "answered", "silent"]


def test_the_guest_may_print_other_lines_too() -> None:
    assert judged(f"a warning\n{answer()}bye\n").verdict == "green"


def test_something_undeclared_that_answers_is_a_leak() -> None:
    name = "internet 1.1.1.1:443/tcp"
    made = judged(answer(**{name: {"answered": True, "evidence": "connected"}}))
    assert (made.verdict, made.status) == ("red", 1)
    assert made.leaks == (f"{name}: connected",)


def test_something_declared_that_is_silent_degrades_and_is_no_leak() -> None:
    made = judged(answer(**{"door nas": {"answered": False, "evidence": "timeout"}}))
    assert (made.verdict, made.status, made.leaks) == ("degraded", 1, ())
    assert made.failed == ("door nas: timeout",)


@pytest.mark.parametrize("name", ["door nas", "internet 1.1.1.1:443/tcp"])
def test_a_probe_that_broke_is_no_silence(name: str) -> None:
    made = judged(answer(**{name: {"answered": None, "evidence": "OSError: [Errno 24] files"}}))
    assert (made.verdict, made.status) == ("red", 2)
    assert made.unable == (f"{name}: the probe broke: OSError: [Errno 24] files",)


def test_a_decoy_that_was_touched_is_a_leak_whatever_the_guest_says() -> None:
    made = judged(answer(), Witness(GROWN, touched=("decoy: reached from 192.168.64.2",)))
    assert (made.verdict, made.leaks) == ("red", ("decoy: reached from 192.168.64.2",))


def test_refusals_that_pf_did_not_count_are_not_believed() -> None:
    asked = sum(1 for probe in PLAN.probes if probe.rule == "clawkeep-deny4")
    few = judged(answer(), Witness({**GROWN, "clawkeep-deny4": asked - 1}))
    assert (few.verdict, few.status) == ("red", 2)
    assert "not confirmed" in few.unable[0]
    assert judged(answer(), Witness({**GROWN, "clawkeep-deny4": asked})).verdict == "green"


def test_an_answer_that_pf_passed_nothing_to_is_not_believed() -> None:
    made = judged(answer(), Witness({**GROWN, "clawkeep-svc-nas": 0}))
    assert made.verdict == "red"
    assert "door nas answered, pf passed nothing" in made.unable[0]


def test_rules_that_were_loaded_anew_prove_nothing() -> None:
    made = judged(answer(), Witness(None))
    assert (made.verdict, made.status) == ("red", 2)


def silent(evidence: str) -> str:
    everything = [
        result(probe) | {"answered": False, "evidence": evidence} for probe in PLAN.probes
    ]
    return json.dumps({"nonce": PLAN.nonce, "results": everything})


def test_a_guest_without_any_network_is_not_isolated_but_unknown() -> None:
    made = judged(silent("unreachable"), Witness({**GROWN, "clawkeep-deny4": 40}))
    assert (made.verdict, made.status) == ("red", 2)
    assert any("no positive control" in why for why in made.unable)


def test_refusals_of_the_gateway_are_a_control_when_every_service_is_down() -> None:
    made = judged(silent("refused"))
    assert (made.verdict, made.status) == ("degraded", 1)


def test_behind_the_kill_switch_the_counts_are_the_control() -> None:
    grown = {"clawkeep-kill": 60}
    assert judged(silent("timeout"), Witness(grown)).verdict == "degraded"
    assert judged(silent("timeout"), Witness({"clawkeep-kill": 0})).verdict == "red"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "zsh: killed\n",
        '{"nonce": "another", "results": []}\n',
        '{"nonce": "0123456789abcdef0123456789abcdef"}\n',
        '{"nonce": "0123456789abcdef0123456789abcdef", "results": {}}\n',
        '{"nonce"\n',
        '{"nonce": ' + "[" * 50_000 + "\n",
        answer() + answer(),
    ],
)
def test_no_answer_or_another_one_is_red(text: str) -> None:
    made = judged(text)
    assert (made.verdict, made.status, made.reached) == ("red", 2, False)
    assert len(made.unable) == 1
    assert {row.outcome for row in made.probes} == {"missing"}


def test_nothing_of_the_guest_reaches_a_terminal_raw() -> None:
    evil = {"answered": False, "evidence": "\x1b]0;gotcha\x07" + "x" * 5000, "ms": 10**30}
    row = next(r for r in judged(answer(**{"door nas": evil})).probes if r.name == "door nas")
    assert (row.evidence[:10], len(row.evidence), row.ms) == ("?]0;gotcha", 160, None)
    assert judged("\x1b[2J").unable == ("the guest's program did not answer: ?[2J",)


NAMES = [probe.name for probe in PLAN.probes]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["nonce", "answered", "evidence", "ms"]), inner)
    ),
    max_leaves=6,
)


@given(st.sets(st.sampled_from(NAMES), min_size=1))
def test_a_missing_result_is_never_green(missing: set[str]) -> None:
    assert judged(answer(**dict.fromkeys(missing))).verdict == "red"


@given(st.sampled_from(NAMES), st.booleans())
def test_a_doubled_result_is_never_green(name: str, answered: bool) -> None:
    data = json.loads(answer())
    nonce = next(probe.nonce for probe in PLAN.probes if probe.name == name)
    data["results"].append({"nonce": nonce, "answered": answered, "evidence": "", "ms": 1})
    assert judged(json.dumps(data)).verdict == "red"


@given(JUNK)
def test_a_foreign_result_is_never_green(junk: Any) -> None:
    data = json.loads(answer())
    data["results"].append(junk)
    assert judged(json.dumps(data)).verdict == "red"


@given(st.sampled_from(NAMES), st.text(alphabet="0123456789abcdef", min_size=16, max_size=16))
def test_a_result_under_another_nonce_is_never_green(name: str, nonce: str) -> None:
    real = next(probe.nonce for probe in PLAN.probes if probe.name == name)
    made = judged(answer(**{name: {"nonce": nonce}}))
    assert (made.verdict == "green") == (nonce == real)


@given(st.sampled_from(NAMES), JUNK)
def test_an_answer_is_exactly_true_or_false(name: str, answered: Any) -> None:
    expected = next(p.expected == ANSWER for p in PLAN.probes if p.name == name)
    made = judged(answer(**{name: {"answered": answered}}))
    assert (made.verdict == "green") == (answered is expected)


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert judged(text).verdict == "red"
