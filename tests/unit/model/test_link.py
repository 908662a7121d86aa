"""The live link between host and guest."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from clawkeep.model import Link


@pytest.mark.parametrize("netmask", ["24", "255.255.255.0", "0xffffff00"])
def test_a_link_is_read_from_what_ifconfig_prints(netmask: str) -> None:
    link = Link.of("bridge100", "192.168.64.1", netmask, "192.168.64.2")
    assert link == Link(
        "bridge100",
        IPv4Address("192.168.64.1"),
        IPv4Network("192.168.64.0/24"),
        IPv4Address("192.168.64.2"),
    )


@pytest.mark.parametrize(
    ("bridge", "gateway", "netmask", "guest"),
    [
        ("en0", "192.168.64.1", "24", "192.168.64.2"),
        ("bridge100 all", "192.168.64.1", "24", "192.168.64.2"),
        ("bridge100", "192.168.64.1", "24", "192.168.65.2"),
        ("bridge100", "192.168.64.1", "24", "192.168.64.1"),
        ("bridge100", "192.168.64.1", "33", "192.168.64.2"),
        ("bridge100", "x", "24", "192.168.64.2"),
        ("bridge100", "192.168.64.1", "0xzz", "192.168.64.2"),
    ],
)
def test_what_is_no_link_is_a_value_error(
    bridge: str, gateway: str, netmask: str, guest: str
) -> None:
    with pytest.raises(ValueError, match=r"."):
        Link.of(bridge, gateway, netmask, guest)
