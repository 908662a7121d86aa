"""Which translation rules make a difference to what a filter lets pass, and which make none."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from clawkeep.pf import AnchorLoopError, Flow, disturbing
from clawkeep.pf.translation import Translation

ON = "bridge100"
GUEST, GATEWAY, NETWORK = "192.168.64.2", "192.168.64.1", "192.168.64.0/24"
FLOWS = (
    Flow.of("in", "inet", "tcp", GUEST, GATEWAY, ports=18443, state=True),
    Flow.of("out", "inet", "tcp", GATEWAY, NETWORK, ports=22, state=True),
    Flow.of("in", "inet", "udp", "any", "255.255.255.255", source_ports=68, ports=67, state=False),
)
STOCK = (
    'nat-anchor "com.apple/*" all',
    'nat-anchor "com.apple.internet-sharing" all',
    'rdr-anchor "com.apple/*" all',
    'rdr-anchor "com.apple.internet-sharing" all',
)
#: As published of Macs and iPhones that share a network.
SHARING = {
    "com.apple.internet-sharing": (
        'nat-anchor "shared_v4" all',
        'rdr-anchor "shared_v4" all',
        'nat-anchor "base_v4" all',
        'rdr-anchor "base_v4" all',
    ),
    "com.apple.internet-sharing/shared_v4": (
        f"nat on en0 inet from {NETWORK} to any -> (en0:0) extfilter ei",
        f"no nat on bridge100 inet from {GATEWAY} to {NETWORK}",
    ),
    "com.apple.internet-sharing/base_v4": (
        f"nat  on en0  inet from {NETWORK} to any -> (en0:0) extfilter ei",
        f"rdr on bridge100  inet proto tcp from {NETWORK} to any port = 21 -> 127.0.0.1 port 8021",
    ),
}


def found(
    *main: str, on: str = ON, anchors: Mapping[str, tuple[str, ...]] | None = None
) -> list[str]:
    texts = {"": (*STOCK, *main), **SHARING, **(anchors or {})}
    return list(disturbing(texts, on, FLOWS))


def test_what_a_mac_translates_for_its_guests_makes_no_difference() -> None:
    assert found() == []


@pytest.mark.parametrize(
    "rule",
    [
        "rdr pass on bridge100 inet proto tcp from any to any port = 9 -> 127.0.0.1 port 22",
        "rdr pass inet proto tcp from any to any port = 9 -> 127.0.0.1 port 22",
        "rdr pass on ! en0 all -> 127.0.0.1",
        "rdr pass on bridge all -> 127.0.0.1",
        "rdr pass log (all, to pflog1) on bridge100 all -> 127.0.0.1",
        "nat pass on bridge100 inet from any to any -> 192.168.64.1",
        "binat pass on bridge100 inet from 192.168.64.2 to any -> 10.0.10.9",
    ],
)
def test_a_rule_that_passes_spares_packets_the_filter(rule: str) -> None:
    assert found(rule) == [f"main: {rule}: what it translates passes by all filter rules"]
    # The control: elsewhere it is nobody's business.
    if " on bridge100 " in rule:
        assert found(rule, on="bridge101") == []


@pytest.mark.parametrize(
    "rule",
    [
        f"nat on bridge100 inet from 10.0.0.0/8 to any -> {GATEWAY}",
        f"nat inet from 10.0.0.0/8 to any -> {GATEWAY}",
        "binat on bridge100 inet from 192.168.64.9 to any -> 192.168.64.2",
    ],
)
def test_another_source_may_look_like_one_that_may_pass(rule: str) -> None:
    assert found(rule) == [
        f"main: {rule}: it changes addresses on a guest's bridge before they are filtered"
    ]


@pytest.mark.parametrize(
    ("rule", "differs"),
    [
        # From what is declared, to anywhere; from anywhere, to what is declared.
        (f"proto tcp from any to {GATEWAY} port = 18443 -> 10.0.10.9 port 443", True),
        (f"proto tcp from any to any port = 443 -> {GATEWAY} port 18443", True),
        (f"proto tcp from any to any port = 18443 -> {GATEWAY}", True),
        (f"all -> {GATEWAY}", True),
        ("proto udp from any to 255.255.255.255 port = 67 -> 10.0.10.9", True),
        # From what the filter refuses to what it refuses.
        ("proto tcp from any to any port = 443 -> 127.0.0.1 port 8080", False),
        (f"proto tcp from any to any port = 443 -> {GATEWAY} port 22", False),
        (f"proto tcp from any to any port = 22 -> {GATEWAY}", False),
        (f"proto tcp from 10.0.0.0/8 to {GATEWAY} port = 18443 -> 10.0.10.9 port 1", False),
        ("proto udp from any to any port = 53 -> 10.0.10.9", False),
    ],
)
def test_a_redirection_counts_when_it_touches_what_is_declared(rule: str, differs: bool) -> None:
    said = found(f"rdr on bridge100 inet {rule}")
    assert all("it redirects from or to what is declared" in one for one in said)
    assert bool(said) is differs


@pytest.mark.parametrize(
    "rule",
    [
        "rdr on bridge100 inet proto tcp from any to any port = 5 -> { 10.0.0.1, 10.0.0.2 }",
        "rdr on bridge100 inet proto tcp from any to any port = 5 -> (en0)",
        "rdr on bridge100 inet proto tcp from any to any port 5:9 -> 127.0.0.1 port 5:*",
        "rdr on bridge100 inet from host.example.net to any -> 127.0.0.1",
    ],
)
def test_a_redirection_that_cannot_be_followed_counts(rule: str) -> None:
    [said] = found(rule)
    assert said.startswith(f"main: {rule}: what it redirects cannot be told: ")


@pytest.mark.parametrize(
    "rule",
    [
        "rdr pass on en0 inet proto tcp from any to any port = 2222 -> 192.168.64.2 port 22",
        "rdr on lo0 inet proto tcp from any to any port = 80 -> 127.0.0.1 port 8080",
        "nat on utun3 all -> (utun3)",
        "no rdr on bridge100 all",
        "no nat all",
        "binat on ! bridge100 inet from 10.0.0.1 to any -> 10.0.0.2",
    ],
)
def test_rules_for_other_interfaces_and_those_that_spare_make_no_difference(rule: str) -> None:
    assert found(rule) == []


@pytest.mark.parametrize(
    "line", ["nat64 on bridge100 all", "x", 'rdr-anchor "" all', "rdr-anchor all", "match"]
)
def test_a_line_that_is_not_understood_counts(line: str) -> None:
    assert found(line) == [f"main: {line}: not understood as a translation rule"]


PASS = "rdr pass all -> 127.0.0.1"
NAT = "nat pass all -> 127.0.0.1"


def test_anchors_are_walked_as_pf_walks_them() -> None:
    said = f"com.apple/vpn: {PASS}: what it translates passes by all filter rules"
    assert found(anchors={"unreferenced": (PASS,)}) == []
    assert found(anchors={"com.apple/vpn": (PASS,)}) == [said]
    below = {"com.apple/vpn": ('rdr-anchor "/top" all',), "top": (PASS,)}
    assert found(anchors=below) == [said.replace("com.apple/vpn", "top")]
    # A wildcard is for direct children alone.
    assert found(anchors={"com.apple/vpn/deep": (PASS,)}) == []


def test_an_anchor_is_evaluated_for_its_kind_and_where_it_stands() -> None:
    assert found('nat-anchor "own" all', anchors={"own": (PASS,)}) == []
    assert len(found('nat-anchor "own" all', anchors={"own": (NAT,)})) == 1
    assert found('nat-anchor "own" on en0 all', anchors={"own": (NAT,)}) == []
    assert len(found('nat-anchor "own" on bridge all', anchors={"own": (NAT,)})) == 1


def test_anchors_that_refer_to_one_another_are_not_followed_for_ever() -> None:
    with pytest.raises(AnchorLoopError):
        found('rdr-anchor "a" all', anchors={"a": ('rdr-anchor "/a" all',)})


def test_a_line_is_read_into_its_parts() -> None:
    read = Translation.read("x", "no rdr log on ! en0 inet proto udp from any to any port = 53")
    assert (read.kind, read.spares, read.passes) == ("rdr", True, False)
    assert (read.interface, read.negated) == ("en0", True)
    assert (read.conditions, read.to) == ("inet proto udp from any to any port = 53", "")
    assert str(read).startswith("x: no rdr log on ! en0")
