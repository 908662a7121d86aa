"""How addresses, packets and flows are read and shown, to the last value that there is."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from clawkeep.pf import Flow, Packet
from clawkeep.pf.address import network, shown_network
from clawkeep.pf.proof import Difference, Kind, Proof


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10/8", "10.0.0.0/8"),
        ("10.1/16", "10.1.0.0/16"),
        ("10.1.2/24", "10.1.2.0/24"),
        ("10.1.2.3/24", "10.1.2.0/24"),
        ("10.1.2.3/32", "10.1.2.3/32"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("fd00::/8", "fd00::/8"),
        ("fd00::1/128", "fd00::1/128"),
        ("::1", "::1/128"),
    ],
)
def test_a_network_is_its_first_and_last_address(text: str, meant: str) -> None:
    known = ip_network(meant)
    family = "inet" if known.version == 4 else "inet6"
    assert network(text) == (family, int(known[0]), int(known[-1]))


@pytest.mark.parametrize("text", ["10.1.2.3/33", "fd00::/129", "1.2.3", "10.0.0.1/x", "10.0.0.1/"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|prefix"):
        network(text)


@pytest.mark.parametrize(
    ("packet", "shown"),
    [
        (
            Packet.of("en0", "in", "tcp", "1.1.1.1", "2.2.2.2", destination_port=65535),
            "in on en0 proto tcp from 1.1.1.1 port 0 to 2.2.2.2 port 65535",
        ),
        (
            Packet.of("en0", "out", "tcp", "1.1.1.1", "2.2.2.2", flags="SA"),
            "out on en0 proto tcp from 1.1.1.1 port 0 to 2.2.2.2 port 0 flags SA",
        ),
        (
            Packet.of("en0", "in", "tcp", "1.1.1.1", "2.2.2.2", flags=""),
            "in on en0 proto tcp from 1.1.1.1 port 0 to 2.2.2.2 port 0 flags none",
        ),
        (
            Packet.of("en0", "in", "icmp", "1.1.1.1", "2.2.2.2", icmp=(8, 1)),
            "in on en0 proto icmp from 1.1.1.1 to 2.2.2.2 type 8 code 1",
        ),
        (
            Packet.of("en0", "in", "icmp6", "::1", "::2"),
            "in on en0 proto ipv6-icmp from ::1 to ::2 type 0 code 0",
        ),
        (
            Packet.of("en0", "in", "255", "1.1.1.1", "2.2.2.2"),
            "in on en0 proto 255 from 1.1.1.1 to 2.2.2.2",
        ),
    ],
)
def test_a_packet_says_what_it_is(packet: Packet, shown: str) -> None:
    assert str(packet) == shown


@pytest.mark.parametrize(
    ("protocol", "port", "what"),
    [
        ("256", 0, "no protocol"),
        ("x", 0, "no protocol"),
        ("tcp", 65536, "port"),
        ("tcp", -1, "port"),
    ],
)
def test_what_is_no_packet_is_refused(protocol: str, port: int, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Packet.of("en0", "in", protocol, "1.1.1.1", "2.2.2.2", destination_port=port)


@pytest.mark.parametrize(
    ("flow", "shown"),
    [
        (Flow.of("in", "inet"), "in inet from any to any"),
        (
            Flow.of("in", "inet", "tcp", "10.0.0.0/8", "10.0.0.1", source_ports="1:2", ports=443),
            "in inet proto tcp from 10.0.0.0/8 port 1:2 to 10.0.0.1 port 443",
        ),
        (
            Flow.of("out", "inet", "icmp", icmp=(8, 0)),
            "out inet proto icmp from any to any type 8 code 0",
        ),
    ],
)
def test_a_flow_says_what_it_is(flow: Flow, shown: str) -> None:
    assert str(flow) == shown


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.0", "10.0.0.1", "10.0.0.0/31"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.1 - 10.0.0.2"),
        ("10.0.0.0", "10.0.0.2", "10.0.0.0 - 10.0.0.2"),
        ("10.0.0.2", "10.0.0.5", "10.0.0.2 - 10.0.0.5"),
        ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
        ("fd00::", "fd00::3", "fd00::/126"),
    ],
)
def test_addresses_in_a_row_are_a_network_only_where_they_are_one(
    first: str, last: str, shown: str
) -> None:
    family = "inet6" if ":" in first else "inet"
    assert shown_network(family, int(ip_address(first)), int(ip_address(last))) == shown


WAY = "in on en0 proto udp from 1.1.1.1 port 0 to 2.2.2.2 port 53"
ALL = "in inet from any to any"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("excess", f"passes and must not: {WAY} (as no rule matches)"),
        ("missing", f"must pass and does not: {WAY} (as no rule matches; declared: {ALL})"),
        ("state", f"passes, but with the wrong state: {WAY} (as no rule matches)"),
    ],
)
def test_a_difference_says_which_packet_and_why(kind: Kind, said: str) -> None:
    packet = Packet.of("en0", "in", "udp", "1.1.1.1", "2.2.2.2", destination_port=53)
    one = Difference(kind, packet, None, Flow.of("in", "inet"))
    assert str(one) == said
    assert str(Proof((one, one))) == f"{said}\n{said}"
