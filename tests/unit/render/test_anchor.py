"""The pf anchor: exact rules, refusals last, and what pfctl prints for them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep import expected
from clawkeep.link import Link
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT, Door, Openings
from clawkeep.render.anchor import (
    ANCHOR,
    BRIDGES,
    WALL,
    anchor,
    deny_all,
    kill_switch,
    printed,
    wall,
)
from clawkeep.seen import Seen

LINK = Link.of("bridge101", "192.168.65.1", "24", "192.168.65.7")
VAULT = Door("vault", 18443, "vault.example.net", 443, kind="tls")
NAS = Door("nas", 18022, "10.0.30.20", 22, kind="ssh")
#: The main ruleset with a guest running. Source: reference/macos.md §1.3.
MAIN = """\
scrub-anchor "com.apple/*" all fragment reassemble
scrub-anchor "com.apple.internet-sharing" all fragment reassemble
anchor "com.apple/*" all
anchor "com.apple.internet-sharing" all
"""
RULE = re.compile(
    r"(pass|block return|block drop) (in|out) quick on bridge[0-9]+ (inet6? )?"
    r"(all|proto (tcp|udp) from \S+( port = [0-9]+)? to \S+ port = [0-9]+ "
    r'((flags S/SA )?keep state|no state)) label "clawkeep-[a-z0-9-]+"'
)


def test_the_anchor_is_evaluated_by_the_stock_ruleset() -> None:
    assert ANCHOR.startswith("com.apple/000.")
    assert len(ANCHOR) <= 63


def test_the_wall_comes_after_the_doors_and_refuses_what_an_emptied_doors_anchor_lets_pass() -> (
    None
):
    assert ANCHOR.rpartition("/")[0] == WALL.rpartition("/")[0]
    assert ANCHOR < WALL < "com.apple/200.AirDrop"
    assert printed(wall()) == printed(deny_all())
    assert (
        expected.differences(Seen.of("Status: Enabled", MAIN, "", wall()), Openings(), None) == ()
    )
    # The control: without the wall everything passes.
    open_ = expected.differences(Seen.of("Status: Enabled", MAIN, "", ""), Openings(), None)
    assert any("proto tcp" in one for one in open_)


def test_without_a_guest_only_its_lease_and_the_hosts_ssh_pass() -> None:
    assert deny_all(["bridge100"]) == (
        "# Written by clawkeep. Do not edit: it is rendered anew.\n"
        "# No guest is known: nothing is open.\n"
        "pass out quick on bridge100 inet proto tcp from any to any port = 22 "
        'flags S/SA keep state label "clawkeep-ssh"\n'
        "pass in quick on bridge100 inet proto udp from any port = 68 to 255.255.255.255 port = 67 "
        'no state label "clawkeep-dhcp"\n'
        'block return in quick on bridge100 inet all label "clawkeep-deny4"\n'
        'block drop in quick on bridge100 inet6 all label "clawkeep-deny6"\n'
        'block drop out quick on bridge100 all label "clawkeep-deny-out"\n'
    )


def test_every_bridge_a_guest_may_appear_on_is_closed() -> None:
    assert (BRIDGES[0], BRIDGES[-1], len(BRIDGES)) == ("bridge100", "bridge110", 11)
    text = deny_all()
    for number in range(100, 111):
        assert f'block return in quick on bridge{number} inet all label "clawkeep-deny4"' in text
        assert f'block drop in quick on bridge{number} inet6 all label "clawkeep-deny6"' in text


def test_the_live_anchor_opens_the_doors_and_nothing_else() -> None:
    assert printed(anchor(Openings(doors=(VAULT, NAS)), LINK, ["bridge101"])) == (
        (
            "pass out quick on bridge101 inet proto tcp from 192.168.65.1 to 192.168.65.0/24 "
            'port = 22 flags S/SA keep state label "clawkeep-ssh"'
        ),
        (
            "pass in quick on bridge101 inet proto udp from any port = 68 to 255.255.255.255 "
            'port = 67 no state label "clawkeep-dhcp"'
        ),
        (
            "pass in quick on bridge101 inet proto udp from any port = 68 to 192.168.65.1 "
            'port = 67 no state label "clawkeep-dhcp"'
        ),
        (
            "pass in quick on bridge101 inet proto tcp from 192.168.65.7 to 192.168.65.1 "
            'port = 18443 flags S/SA keep state label "clawkeep-svc-vault"'
        ),
        (
            "pass in quick on bridge101 inet proto tcp from 192.168.65.7 to 192.168.65.1 "
            'port = 18022 flags S/SA keep state label "clawkeep-svc-nas"'
        ),
        'block return in quick on bridge101 inet all label "clawkeep-deny4"',
        'block drop in quick on bridge101 inet6 all label "clawkeep-deny6"',
        'block drop out quick on bridge101 all label "clawkeep-deny-out"',
    )


def test_proxy_resolver_and_networks_open_only_what_they_are() -> None:
    openings = Openings(
        cidrs=("1.1.1.0/24", "8.8.8.8"), ports=(443,), domains=("x.example",), resolver=True
    )
    rules = [rule for rule in printed(anchor(openings, LINK)) if "from 192.168.65.7 " in rule]
    to = "192.168.65.1 port ="
    assert [rule.partition(" proto ")[2] for rule in rules] == [
        f'{proto} from 192.168.65.7 to {where} {state} label "clawkeep-{label}"'
        for proto, where, state, label in (
            ("tcp", f"{to} {PROXY_PORT}", "flags S/SA keep state", "proxy"),
            ("udp", f"{to} {RESOLVER_PORT}", "keep state", "resolver"),
            ("tcp", f"{to} {RESOLVER_PORT}", "flags S/SA keep state", "resolver"),
            ("tcp", "1.1.1.0/24 port = 443", "flags S/SA keep state", "egress"),
            ("tcp", "8.8.8.8 port = 443", "flags S/SA keep state", "egress"),
        )
    ]


@pytest.mark.parametrize("openings", [Openings(window=("a.example",)), Openings(report=True)])
def test_the_proxys_port_is_open_while_a_window_or_a_report_is(openings: Openings) -> None:
    assert f"port = {PROXY_PORT} " in anchor(openings, LINK)
    assert f"port = {PROXY_PORT} " not in anchor(Openings(), LINK)


def test_the_live_anchor_keeps_the_other_bridges_closed() -> None:
    rules = printed(anchor(Openings(doors=(VAULT,)), LINK))
    closed = printed(deny_all([f"bridge{n}" for n in range(100, 111) if n != 101]))
    assert rules[-len(closed) :] == closed
    assert len(rules) == 7 + len(closed)


def test_a_bridge_beyond_the_usual_ones_is_handled_like_them() -> None:
    link = Link.of("bridge200", "192.168.65.1", "24", "192.168.65.7")
    rules = printed(anchor(Openings(), link))
    assert rules[3] == 'block return in quick on bridge200 inet all label "clawkeep-deny4"'
    assert rules[6:] == printed(deny_all())


def test_the_kill_switch_cuts_both_directions() -> None:
    assert printed(kill_switch(["bridge100", "bridge101"])) == (
        'block drop quick on bridge100 all label "clawkeep-kill"',
        'block drop quick on bridge101 all label "clawkeep-kill"',
    )


DOORS = st.lists(
    st.builds(
        Door,
        name=st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True),
        port=st.integers(10_000, 60_000),
        target_host=st.just("10.0.30.5"),
        target_port=st.just(80),
    ),
    max_size=8,
)
OPENINGS = st.builds(
    Openings,
    doors=DOORS.map(tuple),
    cidrs=st.lists(st.sampled_from(["1.1.1.0/24", "8.8.8.8", "140.82.112.0/20"])).map(tuple),
    ports=st.lists(st.sampled_from([443, 80]), unique=True).map(tuple),
    domains=st.sampled_from([(), ("x.example",)]),
    report=st.booleans(),
    resolver=st.booleans(),
)


@given(OPENINGS, st.integers(0, 255), st.integers(2, 254), st.sampled_from([24, 29, 30]))
def test_any_keep_is_proved_to_let_pass_exactly_what_is_open(
    openings: Openings, third: int, last: int, prefix: int
) -> None:
    network = IPv4Network(f"10.77.{third}.0/{prefix}")
    guest = network[2 + last % (network.num_addresses - 3)]
    link = Link("bridge105", network[1], network, guest)
    text = anchor(openings, link)
    rules = printed(text)
    assert all(RULE.fullmatch(rule) for rule in rules)
    assert all(len(rule.rpartition('label "')[2][:-1]) <= 63 for rule in rules)
    assert text.endswith("\n")
    seen = Seen.of("Status: Enabled", MAIN, "\n".join(rules), wall())
    assert expected.differences(seen, openings, link) == ()
    for bridge in BRIDGES:
        own = [rule for rule in rules if f" on {bridge} " in rule]
        assert [rule.split(" label")[0] for rule in own[-3:]] == [
            f"block return in quick on {bridge} inet all",
            f"block drop in quick on {bridge} inet6 all",
            f"block drop out quick on {bridge} all",
        ]


@pytest.mark.parametrize(
    ("main", "doors", "packet"),
    [
        # Somebody's rule before ours, in our anchor, and a main ruleset without ours.
        (
            MAIN.replace('\nanchor "com.apple/', '\npass in quick all\nanchor "com.apple/'),
            "",
            "proto 0",
        ),
        (MAIN, "pass in quick on bridge101 inet proto udp all\n", "proto udp"),
        (MAIN.replace('anchor "com.apple/*" all\nanchor', "anchor"), "", "proto tcp"),
    ],
)
def test_what_passes_besides_is_found_with_a_packet(main: str, doors: str, packet: str) -> None:
    openings = Openings(doors=(VAULT,))
    good = anchor(openings, LINK)
    seen = Seen.of("Status: Enabled", main, doors + "\n".join(printed(good)), wall())
    assert any(
        one.startswith("passes and must not") and packet in one
        for one in expected.differences(seen, openings, LINK)
    )


def test_a_door_that_is_missing_is_found_with_a_packet() -> None:
    seen = Seen.of("Status: Enabled", MAIN, anchor(Openings(doors=(VAULT,)), LINK), wall())
    found = expected.differences(seen, Openings(doors=(VAULT, NAS)), LINK)
    assert len(found) == 1
    assert found[0].startswith("must pass and does not: in on bridge101 proto tcp")
    assert "port 18022" in found[0]


def test_rules_that_nobody_understands_prove_nothing() -> None:
    seen = Seen.of("Status: Enabled", "pass frobnicate\n" + MAIN, deny_all(), wall())
    assert "cannot be understood" in expected.differences(seen, Openings(), None)[0]


def test_under_the_kill_switch_nothing_passes_at_all() -> None:
    seen = Seen.of("Status: Enabled", MAIN, kill_switch(), wall())
    assert expected.differences(seen, Openings(), None, killed=True) == ()
    closed = Seen.of("Status: Enabled", MAIN, deny_all(), wall())
    assert expected.differences(closed, Openings(), None, killed=True) != ()


def test_an_address_is_never_taken_for_a_constant() -> None:
    other = Link(
        "bridge100", IPv4Address("10.9.8.1"), IPv4Network("10.9.8.0/30"), IPv4Address("10.9.8.2")
    )
    assert "192.168." not in anchor(Openings(doors=(VAULT,)), other)
