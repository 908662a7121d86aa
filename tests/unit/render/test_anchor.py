"""The pf anchor: exact rules, refusals last, and what pfctl prints for them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from clawkeep.model import Link, Service
from clawkeep.render.anchor import ANCHOR, BRIDGES, anchor, deny_all, kill_switch, printed

LINK = Link.of("bridge101", "192.168.65.1", "24", "192.168.65.7")
VAULT = Service.model_validate(
    {"name": "vault", "port": 18443, "target": "vault.example.net:443", "kind": "tls"}
)
NAS = Service.model_validate(
    {"name": "nas", "port": 18022, "target": "10.0.30.20:22", "kind": "ssh"}
)
RULE = re.compile(
    r"(pass|block return|block drop) (in|out) quick on bridge[0-9]+ inet6? "
    r"(all|proto (tcp|udp) from \S+( port = [0-9]+)? to \S+ port = [0-9]+ "
    r'(flags S/SA keep state|no state)) label "clawkeep-[a-z0-9-]+"'
)


def test_the_anchor_is_evaluated_by_the_stock_ruleset() -> None:
    assert ANCHOR.startswith("com.apple/000.")
    assert len(ANCHOR) <= 63


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
    )


def test_every_bridge_a_guest_may_appear_on_is_closed() -> None:
    assert (BRIDGES[0], BRIDGES[-1], len(BRIDGES)) == ("bridge100", "bridge110", 11)
    text = deny_all()
    for number in range(100, 111):
        assert f'block return in quick on bridge{number} inet all label "clawkeep-deny4"' in text
        assert f'block drop in quick on bridge{number} inet6 all label "clawkeep-deny6"' in text


def test_the_live_anchor_opens_the_doors_and_nothing_else() -> None:
    assert printed(anchor([VAULT, NAS], LINK, ["bridge101"])) == (
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
    )


def test_the_live_anchor_keeps_the_other_bridges_closed() -> None:
    rules = printed(anchor([VAULT], LINK))
    closed = printed(deny_all([f"bridge{n}" for n in range(100, 111) if n != 101]))
    assert rules[-len(closed) :] == closed
    assert len(rules) == 6 + len(closed)


def test_a_bridge_beyond_the_usual_ones_is_handled_like_them() -> None:
    link = Link.of("bridge200", "192.168.65.1", "24", "192.168.65.7")
    rules = printed(anchor([], link))
    assert rules[3] == 'block return in quick on bridge200 inet all label "clawkeep-deny4"'
    assert rules[5:] == printed(deny_all())


def test_the_kill_switch_cuts_both_directions() -> None:
    assert printed(kill_switch(["bridge100", "bridge101"])) == (
        'block drop quick on bridge100 all label "clawkeep-kill"',
        'block drop quick on bridge101 all label "clawkeep-kill"',
    )


SERVICES = st.lists(
    st.builds(
        lambda name, port: Service.model_validate(
            {"name": name, "port": port, "target": "10.0.30.5:80", "kind": "tcp"}
        ),
        st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True),
        st.integers(10_000, 60_000),
    ),
    max_size=8,
)


@given(SERVICES, st.integers(0, 255), st.integers(2, 254))
def test_any_keep_is_denied_by_default(services: list[Service], third: int, last: int) -> None:
    network = IPv4Network(f"10.77.{third}.0/24")
    link = Link("bridge105", network[1], network, network[last])
    text = anchor(services, link)
    rules = printed(text)
    assert all(RULE.fullmatch(rule) for rule in rules)
    assert all(len(rule.rpartition('label "')[2][:-1]) <= 63 for rule in rules)
    assert text.endswith("\n")
    assert "\r" not in text
    for bridge in BRIDGES:
        own = [rule for rule in rules if f" on {bridge} " in rule]
        assert own[-2:] == [
            f'block return in quick on {bridge} inet all label "clawkeep-deny4"',
            f'block drop in quick on {bridge} inet6 all label "clawkeep-deny6"',
        ]
    inbound = [rule for rule in rules if rule.startswith("pass in") and "clawkeep-svc-" in rule]
    assert len(inbound) == len(services)
    assert all(f"from {link.guest} to {link.gateway} port = " in rule for rule in inbound)


def test_an_address_is_never_taken_for_a_constant() -> None:
    other = Link(
        "bridge100", IPv4Address("10.9.8.1"), IPv4Network("10.9.8.0/30"), IPv4Address("10.9.8.2")
    )
    assert "192.168." not in anchor([VAULT], other)
