import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.mac.softnet.cli import BadArgumentsError
from lab.mac.softnet.cli import parse as parse_arguments
from lab.mac.softnet.filter import Filter, render
from lab.mac.softnet.policy import InvalidTargetError, Policy, parse_target

GATEWAY = "192.168.64.1"
REQUIRED = ["--vm-fd", "0", "--vm-mac-address", "02:00:00:00:00:01"]


def policy(allow: str | None = None, block: str | None = None) -> Policy:
    return Policy.parse(allow, block, GATEWAY)


@pytest.mark.parametrize(
    ("destination", "allowed"),
    [
        ("1.1.1.1", True),
        ("224.0.0.251", True),
        (GATEWAY, True),
        ("192.168.64.2", False),
        ("192.168.1.10", False),
        ("10.0.30.10", False),
        ("172.31.255.255", False),
        ("172.32.0.1", True),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.1.1", False),
        ("255.255.255.255", False),
    ],
)
def test_without_rules_the_internet_and_the_gateway_are_open(
    destination: str, allowed: bool
) -> None:
    assert policy().allows(destination) is allowed


def test_block_all_and_allow_host_leaves_the_gateway() -> None:
    tight = policy(allow="@host", block="0.0.0.0/0")
    assert tight.allows(GATEWAY)
    assert not tight.allows("8.8.8.8")


def test_block_all_alone_closes_the_gateway_too() -> None:
    assert not policy(block="0.0.0.0/0").allows(GATEWAY)
    assert not policy(block="0.0.0.0/0").allows(GATEWAY, udp_port=53)


def test_the_longest_prefix_wins_and_block_wins_a_tie() -> None:
    mixed = policy(allow="10.0.0.0/8,10.1.2.0/24,10.9.0.0/16", block="10.1.0.0/16,10.9.0.0/16")
    assert mixed.allows("10.2.0.1")
    assert not mixed.allows("10.1.9.9")
    assert mixed.allows("10.1.2.3")
    assert not mixed.allows("10.9.0.1")


def test_allowing_everything_ends_isolation_even_when_it_is_blocked_too() -> None:
    assert policy(allow="10.0.0.0/8").isolated
    assert not policy(allow="0.0.0.0/0").isolated
    assert not policy(allow="0.0.0.0/0", block="0.0.0.0/0").isolated


@pytest.mark.parametrize(
    "text", ["192.168.64.1", "", "10.0.0.0/33", "10.0.0/8", "fe80::/10", "host", "1.1.1.1/ 8"]
)
def test_what_is_no_cidr_is_refused(text: str) -> None:
    with pytest.raises(InvalidTargetError, match="invalid IP address syntax"):
        parse_target(text, GATEWAY)


def test_host_bits_may_be_set() -> None:
    assert parse_target("10.1.2.3/8", GATEWAY) == ipaddress.IPv4Network("10.0.0.0/8")


@pytest.mark.parametrize("text", ["in @host", "out 10.0.0.0/8"])
def test_directional_rules_are_refused_with_the_reason(text: str) -> None:
    with pytest.raises(InvalidTargetError, match="keeps no state"):
        parse_target(text, GATEWAY)


NETS = st.builds(
    lambda address, length: ipaddress.IPv4Network((address, length), strict=False),
    st.integers(0x0A000000, 0x0A00FFFF),
    st.integers(8, 32),
)


@given(st.lists(NETS, max_size=8), st.lists(NETS, max_size=8), st.integers(0x0A000000, 0x0A00FFFF))
def test_the_order_of_rules_never_matters(
    allow: list[ipaddress.IPv4Network], block: list[ipaddress.IPv4Network], destination: int
) -> None:
    gateway = ipaddress.IPv4Address(GATEWAY)
    address = str(ipaddress.IPv4Address(destination))
    one = Policy(gateway, tuple(allow), tuple(block))
    other = Policy(gateway, tuple(reversed(allow)), tuple(reversed(block)))
    assert one.allows(address) is other.allows(address)
    matching = [net for net in (*allow, *block) if ipaddress.IPv4Address(address) in net]
    longest = max((net.prefixlen for net in matching), default=None)
    if longest is not None:
        blocked = any(net.prefixlen == longest for net in matching if net in block)
        assert one.allows(address) is not blocked


def test_the_filter_names_mac_lease_and_rules_in_deciding_order() -> None:
    wanted = Filter(
        "vmenet0",
        "02:00:00:00:00:01",
        "192.168.64.2",
        GATEWAY,
        policy(allow="@host,10.0.0.0/8", block="0.0.0.0/0"),
    )
    lines = [line.strip() for line in render(wanted).splitlines()]
    assert "ether saddr != 02:00:00:00:00:01 counter drop" in lines
    assert "ip saddr != 192.168.64.2 counter drop" in lines
    decisions = [line for line in lines if line.startswith("ip saddr 192.168.64.2")]
    assert decisions[:3] == [
        "ip saddr 192.168.64.2 ip daddr 192.168.64.1/32 counter accept",
        "ip saddr 192.168.64.2 ip daddr 10.0.0.0/8 counter accept",
        "ip saddr 192.168.64.2 counter drop",
    ]


def test_arguments_are_checked_before_anything_starts() -> None:
    arguments = parse_arguments([*REQUIRED, "--allow", "@host,10.0.0.0/8", "--block=0.0.0.0/0"])
    assert (arguments.allow, arguments.block) == ("@host,10.0.0.0/8", "0.0.0.0/0")
    with pytest.raises(BadArgumentsError, match=r"invalid value '1\.1\.1\.1' for '--allow"):
        parse_arguments([*REQUIRED, "--allow", "1.1.1.1"])
    with pytest.raises(BadArgumentsError, match="--vm-mac-address"):
        parse_arguments(["--vm-fd", "0"])
