"""Softnet's policy, computed: the table of reference/tart.md §2.2, and the traps of §2.3."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.explain.softnet import Softnet, SoftnetError, softnet

GATEWAY = IPv4Address("192.168.64.1")
GUEST = IPv4Address("192.168.64.2")
CLOSED = ("tart", "run", "--net-softnet-block=0.0.0.0/0", "--net-softnet-allow=@host", "vm")


def policy(*flags: str) -> Softnet:
    return softnet(flags, GATEWAY)


def passes(policy: Softnet, to: str, protocol: str = "tcp", port: int | None = 443) -> bool:
    return policy.outgoing(GUEST, IPv4Address(to), protocol, port).passes


@pytest.mark.parametrize(
    ("to", "reached"),
    [
        ("1.1.1.1", True),
        ("192.168.64.1", True),
        ("192.168.1.10", False),
        ("10.0.30.5", False),
        ("172.16.0.1", False),
        ("100.64.0.7", False),
        ("169.254.1.1", False),
        ("192.168.64.3", False),
        ("127.0.0.1", False),
        ("224.0.0.251", True),
    ],
)
def test_plain_softnet_reaches_the_internet_and_the_gateway(to: str, reached: bool) -> None:
    assert passes(policy("--net-softnet"), to) is reached


@pytest.mark.parametrize("to", ["1.1.1.1", "10.0.30.5", "192.168.64.3", "224.0.0.251"])
def test_the_flags_of_a_keep_reach_the_gateway_alone(to: str) -> None:
    keep = policy(*CLOSED)
    assert not passes(keep, to)
    decision = keep.outgoing(GUEST, IPv4Address(to), "tcp", 443)
    assert decision.by == "--net-softnet-block=0.0.0.0/0"
    assert passes(keep, "192.168.64.1", "udp", 53)
    assert passes(keep, "192.168.64.1", "icmp", None)


def test_an_allow_alone_only_widens() -> None:
    assert passes(policy("--net-softnet-allow=10.0.30.5/32"), "10.0.30.5")
    assert passes(policy("--net-softnet-allow=10.0.30.5/32"), "1.1.1.1")


def test_the_longest_prefix_decides_and_a_block_wins_a_tie() -> None:
    rules = policy("--net-softnet-allow=10.0.0.0/8,10.1.2.3/32", "--net-softnet-block=10.1.0.0/16")
    assert passes(rules, "10.2.0.1")
    assert not passes(rules, "10.1.2.4")
    assert passes(rules, "10.1.2.3")
    assert not passes(policy("--net-softnet-allow=1.1.1.1/32", "--net-softnet-block=1.1.1.1/32"),
                      "1.1.1.1")  # fmt: skip


def test_blocking_everything_without_an_allow_closes_the_gateway_too() -> None:
    assert not passes(policy("--net-softnet-block=0.0.0.0/0"), "192.168.64.1")


def test_ipv6_never_passes_in_either_direction() -> None:
    far = IPv6Address("2606:4700::1111")
    for rules in (policy("--net-softnet"), policy("--net-softnet-allow=0.0.0.0/0")):
        assert not rules.outgoing(IPv6Address("fd00::2"), far, "tcp", 443).passes
        assert not rules.incoming(far).passes


def test_a_dhcp_request_to_everybody_passes_and_no_other_packet_to_everybody_does() -> None:
    keep = policy(*CLOSED)
    everybody = "255.255.255.255"
    assert passes(keep, everybody, "udp", 67)
    assert not passes(keep, everybody, "udp", 68)
    assert not passes(keep, everybody, "tcp", 67)
    other = IPv4Address("192.168.64.9")
    assert keep.outgoing(other, IPv4Address(everybody), "udp", 67, lease=GUEST).passes


def test_another_source_than_the_lease_is_dropped_whatever_the_rules() -> None:
    open_wide = policy("--net-softnet-allow=0.0.0.0/0")
    decision = open_wide.outgoing(IPv4Address("192.168.64.9"), GATEWAY, "tcp", 80, lease=GUEST)
    assert (decision.passes, decision.by) == (False, "source")
    assert open_wide.outgoing(GUEST, GATEWAY, "tcp", 80, lease=GUEST).passes


def test_everything_comes_in() -> None:
    assert policy(*CLOSED).incoming(IPv4Address("10.0.30.5")).passes


def test_without_a_softnet_flag_nothing_is_filtered() -> None:
    rules = policy("tart", "run", "--no-graphics", "vm")
    assert not rules.on
    assert passes(rules, "10.0.30.5")


def test_allowing_everything_takes_the_isolation_of_guests_away_even_beside_a_block() -> None:
    assert policy(*CLOSED).isolated
    assert not policy("--net-softnet-allow=0.0.0.0/0", "--net-softnet-block=0.0.0.0/0").isolated
    assert not policy("--no-graphics").isolated


def test_an_option_given_twice_counts_the_last_time_in_both_spellings() -> None:
    rules = policy("--net-softnet-allow=1.1.1.1/32", "--net-softnet-allow", "8.8.8.8/32",
                   "--net-softnet-block=0.0.0.0/0")  # fmt: skip
    assert not passes(rules, "1.1.1.1")
    assert passes(rules, "8.8.8.8")


def test_softnets_own_command_line_is_read_too() -> None:
    rules = policy("softnet", "--vm-fd", "0", "--allow", "@host", "--block", "0.0.0.0/0")
    assert passes(rules, "192.168.64.1")
    assert not passes(rules, "1.1.1.1")


@pytest.mark.parametrize(
    "target", ["192.168.64.1", "1.1.1.1/33", "example.com/32", "in @host", "1.1.1.1/32:443", ""]
)
def test_a_target_that_softnet_0_19_refuses_is_an_error_and_no_guess(target: str) -> None:
    with pytest.raises(SoftnetError):
        policy(f"--net-softnet-allow={target}")


networks = st.builds(
    lambda bits, length: IPv4Network((bits, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)


@given(
    st.lists(networks, max_size=6),
    st.lists(networks, max_size=6),
    st.integers(0, 2**32 - 1).map(IPv4Address),
)
def test_with_everything_blocked_exactly_the_more_specific_allows_pass(
    allow: list[IPv4Network], block: list[IPv4Network], to: IPv4Address
) -> None:
    blocked = [IPv4Network("0.0.0.0/0"), *block]
    flags = ["--net-softnet-block=" + ",".join(map(str, blocked))]
    if allow:
        flags.append("--net-softnet-allow=" + ",".join(map(str, allow)))
    longest = max(n.prefixlen for n in blocked if to in n)
    expected = any(to in n and n.prefixlen > longest for n in allow)
    assert policy(*flags).outgoing(GUEST, to, "tcp", 1).passes is expected
