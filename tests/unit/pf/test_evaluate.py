"""One packet, one verdict, and the rule that decided."""

from __future__ import annotations

import pytest

from clawkeep.pf import AnchorLoopError, Match, Packet, Ruleset, Verdict, evaluate, parse_rules
from clawkeep.pf.packet import Direction

GUEST, GATEWAY = "192.168.64.2", "192.168.64.1"


def packet(
    port: int = 80, protocol: str = "tcp", direction: Direction = "in", flags: str = "S"
) -> Packet:
    return Packet.of(
        "bridge100", direction, protocol, GUEST, GATEWAY,
        source_port=50000, destination_port=port, flags=flags,
    )  # fmt: skip


def verdict(text: str, which: Packet | None = None, **anchors: str) -> Verdict:
    parsed = {name.replace("__", "/"): parse_rules(rules) for name, rules in anchors.items()}
    return evaluate(Ruleset(parse_rules(text), parsed), which or packet())


def test_what_no_rule_matches_passes_and_makes_no_state() -> None:
    found = verdict("block out\n")
    assert (found.action, found.decided, found.keeps_state, found.trail) == (
        "pass",
        None,
        False,
        (),
    )


def test_the_last_match_decides_and_the_trail_has_every_match() -> None:
    found = verdict("block\npass proto udp\npass in\n")
    assert found.action == "pass"
    assert found.keeps_state
    assert [match.line for match in found.trail] == [1, 3]
    assert found.decided is not None
    assert (found.decided.text, found.decided.line) == ("pass in all flags S/SA keep state", 3)


def test_quick_ends_it() -> None:
    found = verdict("block return in quick\npass in\n")
    assert (found.action, found.returns, len(found.trail)) == ("block", "return", 1)


def test_quick_in_an_anchor_ends_all_of_it() -> None:
    found = verdict('anchor "a"\npass in quick\n', a="block drop in quick\n")
    assert (found.action, found.returns) == ("block", "")
    assert isinstance(found.decided, Match)
    assert found.decided.anchor == "a"
    assert str(found.decided) == "a:1: block drop in quick all"


@pytest.mark.parametrize(
    ("where", "passes", "certain"),
    [
        ("on bridge100", False, True),
        ("on ! en0", False, True),
        ("on en0", True, True),
        ("on ! bridge100", True, True),
        ("on bridge", True, False),
        ("on ! egress", True, False),
    ],
)
def test_a_name_without_a_number_may_be_a_group(where: str, passes: bool, certain: bool) -> None:
    found = verdict(f"block in quick {where}\n")
    assert (found.passes, found.certain) == (passes, certain)


@pytest.mark.parametrize(
    ("name", "skips"),
    [("bridge100", True), ("bridge", True), ("bridge10", False), ("brid", False), ("lo", False)],
)
def test_pf_looks_at_nothing_on_what_it_skips(name: str, skips: bool) -> None:
    assert verdict(f"set skip on {name}\nblock\n").passes is skips


def test_children_of_a_wildcard_are_walked_by_name_not_by_their_place() -> None:
    found = verdict('anchor "x/*"\n', x__b="pass in\n", x__a="block in\n", x__b__c="block quick\n")
    assert found.action == "pass"
    assert [match.anchor for match in found.trail] == ["x/a", "x/b"]


def test_an_anchor_names_its_children_from_where_it_stands() -> None:
    assert not verdict('anchor "x"\n', x='anchor "y"\n', x__y="block\n").passes
    assert verdict('anchor "x"\n', x='anchor "y"\n', y="block\n").passes
    assert not verdict('anchor "x"\n', x='anchor "/y"\n', y="block\n").passes


def test_conditions_of_an_anchor_keep_others_out() -> None:
    text = 'anchor "x" in proto udp {\nblock\n}\n'
    assert verdict(text).passes
    assert not verdict(text, packet(protocol="udp")).passes


def test_a_quick_anchor_is_final_once_a_rule_in_it_has_matched() -> None:
    assert not verdict('anchor "x" quick\npass\n', x="block proto tcp\n").passes
    assert verdict('anchor "x" quick\npass\n', x="block proto udp\n").passes
    # Without quick on the anchor, what comes later wins: the control.
    assert verdict('anchor "x"\npass\n', x="block proto tcp\n").passes


def test_anchors_that_go_round_in_circles_are_an_error() -> None:
    with pytest.raises(AnchorLoopError):
        verdict('anchor "x"\n', x='anchor "/y"\n', y='anchor "/x"\n')


def test_no_state_and_flags_are_facts_of_the_rule() -> None:
    assert not verdict("pass no state\n").keeps_state
    found = verdict("pass flags any\n", packet(flags="A"))
    assert found.decided is not None
    assert (found.keeps_state, found.decided.rule.flag_mask) == (True, "")


def test_a_packet_amid_a_connection_is_no_match_for_flags_that_begin_one() -> None:
    assert verdict("block\npass in flags S/SA\n").passes
    assert not verdict("block\npass in flags S/SA\n", packet(flags="A")).passes


def test_set_skip_leaves_an_interface_alone() -> None:
    assert verdict("set skip on bridge100\nblock quick\n").passes
    assert not verdict("set skip on bridge101\nblock quick\n").passes


def test_the_longest_prefix_in_a_table_decides() -> None:
    rules = parse_rules("block from <t>\n")

    def blocked(*entries: str) -> bool:
        return not evaluate(Ruleset(rules), packet(), {"": {"t": entries}}).passes

    assert blocked("192.168.0.0/16")
    assert not blocked("192.168.0.0/16", "!192.168.64.2")
    assert blocked("192.168.0.0/16", "!192.168.64.0/24", "192.168.64.2")
    assert not blocked("fd00::/8")


def test_a_table_of_the_anchor_hides_that_of_the_main_ruleset() -> None:
    text = 'table <t> const { 10.0.0.0/8 }\nanchor "x"\n'
    assert verdict(text, x="block from <t>\n").passes
    assert not verdict(text, x="table <t> { 192.168.64.2 }\nblock from <t>\n").passes


@pytest.mark.parametrize(
    "condition",
    ["user root", "probability 50%", "tos 0x10", "fragment", "from (en0)", "from <unknown>",
     "from no-route"],
)  # fmt: skip
def test_what_cannot_be_judged_passes_perhaps_and_blocks_never(condition: str) -> None:
    hopeful = verdict(f"block\npass in quick proto tcp {condition}\n")
    assert (hopeful.action, hopeful.certain) == ("pass", False)
    doubtful = verdict(f"block in quick proto tcp {condition}\n")
    assert (doubtful.action, doubtful.certain) == ("pass", False)
    # What is settled without it stays certain.
    assert verdict(f"block quick\npass in proto tcp {condition}\n").certain


def test_types_of_icmp() -> None:
    echo = Packet.of("bridge100", "in", "icmp", GUEST, GATEWAY, icmp=(8, 0))
    other = Packet.of("bridge100", "in", "icmp", GUEST, GATEWAY, icmp=(3, 1))
    text = "block\npass inet proto icmp icmp-type { echoreq, unreach code 3 }\n"
    assert verdict(text, echo).passes
    assert not verdict(text, other).passes


@pytest.mark.parametrize(
    ("condition", "ports"),
    [("= 5", {5}), ("!= 5", {4, 6, 9}), ("< 5", {4}), ("<= 5", {4, 5}), ("> 5", {6, 9}),
     (">= 6", {6, 9}), ("5:6", {5, 6}), ("4 >< 9", {5, 6}), ("5 <> 6", {4, 9})],
)  # fmt: skip
def test_operators_of_ports(condition: str, ports: set[int]) -> None:
    text = f"block\npass proto tcp to port {condition}\n"
    assert {port for port in (4, 5, 6, 9) if verdict(text, packet(port)).passes} == ports
