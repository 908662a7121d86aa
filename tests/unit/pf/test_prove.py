"""What goes wrong with pf on a Mac, and the packet by which the prover shows it.

Source: reference/macos.md, "What a naive implementation gets wrong".
"""

from __future__ import annotations

import pytest

from clawkeep.pf import Flow, Proof, Ruleset, parse_rules, passing, prove

ON, GUEST, GATEWAY = "bridge100", "192.168.64.2", "192.168.64.1"
OWN = "com.apple/000.clawkeep"
MAIN = 'anchor "com.apple/*" all\nanchor "com.apple.internet-sharing" all\n'
SHARING = {
    "com.apple.internet-sharing": 'anchor "shared_v4" all\n',
    "com.apple.internet-sharing/shared_v4": (
        "pass on en0 all flags any keep state\n"
        "pass on bridge100 all flags any keep state rtable 5\n"
    ),
}
DOOR = (
    f"pass in quick on bridge100 inet proto tcp from {GUEST} to {GATEWAY} port = 18443 "
    "flags S/SA keep state\n"
)
REFUSALS = (
    "block return in quick on bridge100 inet all\nblock drop in quick on bridge100 inet6 all\n"
)
OUT = [Flow.of("out", "inet"), Flow.of("out", "inet6")]
VAULT = Flow.of("in", "inet", "tcp", GUEST, GATEWAY, ports=18443, state=True)


def mac(rules: str, main: str = MAIN, anchor: str = OWN, **tables: tuple[str, ...]) -> Ruleset:
    texts = {**SHARING, anchor: rules}
    anchors = {name: parse_rules(text, anchor=name) for name, text in texts.items()}
    return Ruleset(parse_rules(main), anchors, {anchor: tables})


def proof(rules: str, *expected: Flow, main: str = MAIN, anchor: str = OWN) -> Proof:
    return prove(mac(rules, main, anchor), [ON], [*OUT, *expected])


def shown(found: Proof, kind: str = "excess") -> set[tuple[str, int]]:
    """Family and protocol of the packets that differ."""
    return {
        (one.packet.family, one.packet.protocol) for one in found.differences if one.kind == kind
    }


def test_doors_and_refusals_are_exactly_what_is_declared() -> None:
    assert proof(DOOR + REFUSALS, VAULT).holds
    assert str(proof(DOOR + REFUSALS, VAULT)) == "exactly what is declared passes"


def test_a_door_too_many_is_shown_by_its_packet_and_its_rule() -> None:
    found = proof(DOOR + REFUSALS)
    [one] = found.differences
    assert one.kind == "excess"
    assert (str(one.packet), one.decided and one.decided.anchor, one.flow) == (
        f"in on bridge100 proto tcp from {GUEST} port 0 to {GATEWAY} port 18443", OWN, None,
    )  # fmt: skip
    assert str(one).startswith("passes and must not: in on bridge100 proto tcp")


def test_a_door_too_few_is_shown_by_the_rule_that_refuses_it() -> None:
    nas = Flow.of("in", "inet", "tcp", GUEST, GATEWAY, ports=18022)
    [one] = proof(DOOR + REFUSALS, VAULT, nas).differences
    assert (one.kind, one.flow, one.packet.destination_port) == ("missing", nas, 18022)
    assert one.decided is not None
    assert (one.decided.line, one.decided.rule.returns) == (2, "return")


def test_a_door_wider_than_declared_is_shown_by_the_lowest_packet_beyond() -> None:
    wide = DOOR.replace("port = 18443", "port 18443:18500")
    [one] = proof(wide + REFUSALS, VAULT).differences
    assert (one.kind, one.packet.destination_port) == ("excess", 18444)


def test_without_quick_internet_sharing_opens_it_again() -> None:
    found = proof(REFUSALS.replace(" quick", ""))
    assert shown(found) >= {("inet", 6), ("inet", 17), ("inet", 1), ("inet6", 58)}
    deciding = {one.decided.anchor for one in found.differences if one.decided}
    assert deciding == {"com.apple.internet-sharing/shared_v4"}


def test_a_refusal_of_tcp_leaves_udp_icmp_and_the_rest_open() -> None:
    found = proof(REFUSALS.replace("inet all", "inet proto tcp all"))
    assert shown(found) == {("inet", 0), ("inet", 1), ("inet", 17), ("inet", 58)}


def test_a_refusal_of_ipv4_leaves_ipv6_open() -> None:
    found = proof(REFUSALS.splitlines()[0] + "\n")
    assert {family for family, _ in shown(found)} == {"inet6"}
    assert ("inet6", 6) in shown(found)


def test_a_refusal_that_names_the_guest_is_passed_by_an_alias_address() -> None:
    found = proof(REFUSALS.replace("inet all", f"inet from {GUEST} to any"))
    assert {one.packet.source for one in found.differences} == {0}
    assert shown(found) >= {("inet", 6), ("inet", 17), ("inet", 1)}


def test_the_gateway_without_a_port_opens_every_listener_of_the_mac() -> None:
    found = proof(DOOR.replace(" port = 18443", "") + REFUSALS, VAULT)
    assert [one.packet.destination_port for one in found.differences] == [0]


def test_out_rules_refuse_nothing_that_comes_in() -> None:
    found = prove(mac("block drop out quick on en0 inet from 192.168.64.0/24 to any\n"), [ON], OUT)
    assert shown(found) >= {("inet", 6), ("inet", 17), ("inet", 1), ("inet6", 6)}


def test_rules_on_a_member_of_the_bridge_refuse_nothing() -> None:
    assert shown(proof(REFUSALS.replace("bridge100", "vmenet0"))) >= {("inet", 6), ("inet6", 6)}


def test_another_bridge_is_open_while_this_one_is_closed() -> None:
    ruleset = mac(DOOR + REFUSALS)
    found = prove(ruleset, [ON, "bridge101"], [*OUT, VAULT])
    assert {one.packet.interface for one in found.differences} == {"bridge101"}


@pytest.mark.parametrize(
    "main",
    ["", 'anchor "com.apple.internet-sharing" all\n', 'anchor "com.apple" all\n'],
    ids=["flushed", "internet-sharing is not com.apple/*", "com.apple without its children"],
)
def test_an_anchor_that_nothing_refers_to_filters_nothing(main: str) -> None:
    found = proof(DOOR + REFUSALS, VAULT, main=main)
    assert shown(found) >= {("inet", 6), ("inet", 17), ("inet", 1), ("inet6", 6)}
    assert proof(DOOR + REFUSALS, VAULT).holds


def test_a_top_level_anchor_is_never_evaluated() -> None:
    assert not proof(DOOR + REFUSALS, VAULT, anchor="clawkeep").holds


@pytest.mark.parametrize(
    ("where", "opens"),
    [
        ("on bridge100", True),
        ("", True),
        ("on bridge", True),
        ("on vm-guests", True),
        ("on ! en0", True),
        ("on ! bridge", True),
        ("on en0", False),
        ("on bridge1000", False),
        ("on ! bridge100", False),
    ],
)
def test_a_rule_of_somebody_else_opens_the_bridges_that_its_name_may_stand_for(
    where: str, opens: bool
) -> None:
    before = f"pass in quick {where} inet proto tcp\n"
    found = proof(DOOR + REFUSALS, VAULT, main=before + MAIN)
    assert shown(found) == ({("inet", 6)} if opens else set())


@pytest.mark.parametrize("where", ["on bridge", "on ! bridge", "on ! bridge100", "on en0"])
def test_a_refusal_on_what_may_be_a_group_is_not_relied_on(where: str) -> None:
    assert proof(DOOR + REFUSALS, VAULT).holds
    assert not proof(DOOR + REFUSALS.replace("on bridge100", where), VAULT).holds


def test_our_anchors_on_what_may_be_a_group_are_not_relied_on() -> None:
    assert not proof(DOOR + REFUSALS, VAULT, main='anchor "com.apple/*" on bridge all\n').holds
    assert proof(DOOR + REFUSALS, VAULT, main='anchor "com.apple/*" on ! en0 all\n').holds


def test_an_anchor_before_ours_may_open_what_ours_refuses() -> None:
    ruleset = mac(DOOR + REFUSALS)
    early = {**ruleset.anchors, "com.apple/000.a": parse_rules("pass quick proto udp\n")}
    late = {**ruleset.anchors, "com.apple/200.AirDrop": parse_rules("pass quick proto udp\n")}
    assert not prove(Ruleset(ruleset.main, early), [ON], [*OUT, VAULT]).holds
    assert prove(Ruleset(ruleset.main, late), [ON], [*OUT, VAULT]).holds


def test_skip_opens_an_interface_and_does_nothing_in_an_anchor() -> None:
    assert not proof(DOOR + REFUSALS, VAULT, main="set skip on bridge100\n" + MAIN).holds
    assert proof("set skip on bridge100\n" + DOOR + REFUSALS, VAULT).holds


def test_a_refusal_of_what_begins_connections_lets_the_other_flags_pass() -> None:
    syn = "block drop in quick on bridge100 inet proto tcp flags S/SA\n"
    rest = "block drop in quick on bridge100 proto { 1 17 }\n" + REFUSALS.replace(
        "inet all", "inet"
    )
    found = proof(syn + "pass in quick on bridge100 inet proto tcp flags any\n" + rest)
    assert [one.packet.flags == "S" for one in found.differences] == [False]


def test_a_door_without_state_is_no_door() -> None:
    stateless = DOOR.replace("flags S/SA keep state", "no state")
    [one] = proof(stateless + REFUSALS, VAULT).differences
    assert one.kind == "state"
    dhcp = "pass in quick on bridge100 inet proto udp from any port 68 to any port 67 no state\n"
    lease = Flow.of("in", "inet", "udp", source_ports=68, ports=67, state=False)
    assert proof(dhcp + REFUSALS, lease).holds
    assert not proof(dhcp.replace("no state", "keep state") + REFUSALS, lease).holds


@pytest.mark.parametrize("condition", ["user root", "probability 99%", "tagged x", "rtable 3"])
def test_a_door_that_cannot_be_judged_is_neither_relied_on_nor_forgotten(condition: str) -> None:
    door = DOOR.replace(" keep state", f" keep state {condition}")
    assert [one.kind for one in proof(door + REFUSALS, VAULT).differences] == ["missing"]
    assert [one.kind for one in proof(door + REFUSALS).differences] == ["excess"]


def test_a_refusal_that_cannot_be_judged_refuses_nothing() -> None:
    assert not proof(REFUSALS.replace("inet all", "inet all tos 0x10")).holds


def test_tables_are_judged_by_what_they_hold() -> None:
    rules = "pass in quick on bridge100 inet proto tcp from any to <ok> port 443\n" + REFUSALS
    web = [Flow.of("in", "inet", "tcp", "any", ["1.1.1.1", "10.0.0.0/24"], ports=443)]
    entries = ("10.0.0.0/24", "1.1.1.1")
    assert prove(mac(rules, ok=entries), [ON], [*OUT, *web]).holds
    [one] = prove(mac(rules, ok=(*entries, "!10.0.0.7")), [ON], [*OUT, *web]).differences
    assert (one.kind, " to 10.0.0.7 port 443" in str(one.packet)) == ("missing", True)
    # Nobody says what it holds: it may hold anything, and nothing.
    kinds = {one.kind for one in prove(mac(rules), [ON], [*OUT, *web]).differences}
    assert kinds == {"excess", "missing"}


def test_what_passes_can_be_listed() -> None:
    ports = [DOOR, DOOR.replace("18443", "18444"), DOOR.replace("18443", "9")]
    assert [str(flow) for flow in passing(mac("".join(ports) + REFUSALS), ON)] == [
        f"in inet proto tcp from {GUEST} to {GATEWAY} port {{ 9, 18443:18444 }}",
        "out inet from any to any",
        "out inet6 from any to any",
    ]


def test_a_flow_that_pf_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="only TCP and UDP have ports"):
        Flow.of("in", "inet", "any", ports=80)
    with pytest.raises(ValueError, match="only ICMP has types"):
        Flow.of("in", "inet6", "icmp", icmp=(8, 0))
    with pytest.raises(ValueError, match="is not inet6"):
        Flow.of("in", "inet6", "tcp", "10.0.0.1")
    with pytest.raises(ValueError, match="holds no port"):
        Flow.of("in", "inet", "tcp", ports="9:1")


def test_flows_of_icmp_are_told_apart_by_type_and_code() -> None:
    rules = "pass in quick on bridge100 inet proto icmp icmp-type echoreq code 0\n" + REFUSALS
    assert proof(rules, Flow.of("in", "inet", "icmp", icmp=(8, 0))).holds
    assert shown(proof(rules, Flow.of("in", "inet", "icmp", icmp=(8, None))), "missing") == {
        ("inet", 1)
    }
    assert shown(proof(rules, Flow.of("in", "inet", "icmp", icmp=(0, 0)))) == {("inet", 1)}
