"""The prover against the evaluator, on every packet of a world that has all that rules can name."""

from __future__ import annotations

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from clawkeep.pf import Flow, Packet, Ruleset, evaluate, passing, prove
from tests.unit.pf.texts import ON, WORLD, flows, rulesets

_SETTINGS = settings(max_examples=40, phases=[Phase.generate, Phase.shrink])


def _declared(expected: list[Flow], packet: Packet) -> bool:
    return any(flow.holds(packet) for flow in expected)


@_SETTINGS
@given(rulesets(doubtful=True))
def test_what_passes_is_what_the_evaluator_passes_packet_by_packet(ruleset: Ruleset) -> None:
    found = passing(ruleset, ON)
    for packet in WORLD:
        if packet.flags == "S":
            holding = [flow for flow in found if flow.holds(packet)]
            assert len(holding) == evaluate(ruleset, packet).passes, packet


@_SETTINGS
@given(rulesets(doubtful=True), st.lists(flows(), max_size=5))
def test_there_is_a_difference_if_and_only_if_some_packet_differs(
    ruleset: Ruleset, expected: list[Flow]
) -> None:
    kinds: set[tuple[str, str, str, str]] = set()
    for packet in WORLD:
        verdict = evaluate(ruleset, packet)
        if _declared(expected, packet):
            if packet.flags == "S" and not (verdict.passes and verdict.certain):
                kinds.add(("missing", *_where(packet)))
        elif verdict.passes:
            kinds.add(("excess", *_where(packet)))
    found = prove(ruleset, [ON], expected).differences
    assert {(one.kind, *_where(one.packet)) for one in found} == kinds


def _where(packet: Packet) -> tuple[str, str, str]:
    known = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}
    return packet.direction, packet.family, known.get(packet.protocol, "other")


@_SETTINGS
@given(rulesets(doubtful=True), st.lists(flows(), max_size=5))
def test_every_counterexample_is_one(ruleset: Ruleset, expected: list[Flow]) -> None:
    for one in prove(ruleset, [ON], expected).differences:
        verdict = evaluate(ruleset, one.packet)
        if one.kind == "excess":
            assert verdict.passes
            assert verdict.decided == one.decided
            assert not _declared(expected, one.packet)
        else:
            assert not (verdict.passes and verdict.certain)
            assert one.flow is not None
            assert one.flow.holds(one.packet)


@_SETTINGS
@given(rulesets())
def test_what_passes_is_proved_when_it_is_declared_and_not_without_any_one_flow(
    ruleset: Ruleset,
) -> None:
    found = [*passing(ruleset, ON)]
    only_syn = {d for d in prove(ruleset, [ON], found).differences if d.packet.flags == "S"}
    assert not only_syn
    for left_out in range(min(len(found), 4)):
        rest = [flow for number, flow in enumerate(found) if number != left_out]
        proof = prove(ruleset, [ON], rest)
        assert any(found[left_out].holds(one.packet) for one in proof.differences)
