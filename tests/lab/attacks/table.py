"""The attacks by packets: what is sent, where it would be seen, and which layer holds it.

All go to places where nobody but an attacker sends, and each attack has a port number of its own:
so one packet there is one that got out, and all are sent and counted at once.
Source: reference/peers.md D.2; reference/macos.md, "What a naive implementation gets wrong".
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

GATEWAY = "192.168.64.1"
HOST_ON_THE_LAN = "10.0.10.2"
NOBODY = "10.0.30.99"
ATTACKER = "203.0.113.9"
METADATA = "169.254.169.254"
STRANGER = "192.168.64.150"
DOOR = 18123
DOORS = "18443, 18123, 16443, 18022"
"""The ports of allowlist.yml."""
OWN = "OWN"
_own_ports = itertools.count(20_001)

LAN = f"ip daddr {NOBODY}"
INTERNET = f"ip daddr {ATTACKER}"
UDP = "meta l4proto udp th dport OWN"
SSHD = "tcp dport 22 tcp sport OWN"


@dataclass(frozen=True)
class Attack:
    """One attack: a function of guest.py, and the packets that would show its success.

    `by_softnet` and `by_pf` say whether that layer alone holds it; both together hold all. `least`
    is how many packets must come through where nothing holds it.
    """

    name: str
    sends: str
    arguments: dict[str, Any]
    place: str
    match: str
    by_softnet: bool = True
    by_pf: bool = True
    least: int = 1


def _row(
    name: str, sends: str, where: str, *, softnet: bool = True, pf: bool = True, least: int = 1,
    **arguments: Any,
) -> Attack:  # fmt: skip
    """Return an attack; `OWN` stands for its own port, in `where` and as an argument."""
    own = next(_own_ports)
    place, _, match = where.replace("OWN", str(own)).partition(": ")
    arguments = {key: own if value == OWN else value for key, value in arguments.items()}
    return Attack(name, sends, arguments, place, match, softnet, pf, least)


def _changed(name: str, before: str, after: str, **arguments: Any) -> Attack:
    """Return an attack by ifconfig, route and arp, then an ordinary connection to the LAN."""
    return _row(name, "changed", f"lan: {LAN} tcp dport OWN", before=before, after=after,
                to=NOBODY, port=OWN, **arguments)  # fmt: skip


# The whole packet is 48 bytes of UDP, or 20 of TCP: ports in the first 4, TCP's flags in the 14th.
TINY = [[0, 8], [8, 48]]
LAST_FIRST = [[24, 48], [0, 24]]
TINY_TCP = [[0, 8], [8, 20]]
#: A second fragment lies over the first and names an open door: whoever believes it lets it pass.
OVER_TCP = [[0, 16], [0, 8, 1], [16, 20]]

#: Softnet leaves the gateway to pf: it knows no ports.
GATEWAYS = {"softnet": False}

SOURCES = (
    _changed(
        "an alias address",
        f"ifconfig en0 alias {STRANGER} netmask 255.255.255.255",
        f"ifconfig en0 -alias {STRANGER}",
        source=STRANGER,
    ),
    _changed(
        "another primary address",
        f"ifconfig en0 inet {STRANGER} netmask 255.255.255.0; route add default {{gateway}}",
        "ifconfig en0 inet {address} netmask 255.255.255.0; route add default {gateway}",
        source=STRANGER,
    ),
    _changed(
        "another hardware address, by ifconfig",
        "ifconfig en0 ether 02:00:00:00:00:42; arp -s {gateway} {gateway_mac}",
        "ifconfig en0 ether {mac}; arp -d {gateway}; true",
    ),
    _row("another hardware address", "other_mac", f"lan: {LAN} {UDP}", to=NOBODY, port=OWN),
    _row("another guest's address", "datagram", f"lan: {LAN} {UDP}", to=NOBODY, port=OWN,
         pretend="192.168.64.77"),
    _row("another guest's address, at a door", "segment", f"host: tcp dport {DOOR} tcp sport OWN",
         to=GATEWAY, port=DOOR, flags="S", source=OWN, pretend="192.168.64.77"),
    _row("the gateway's address", "datagram", f"lan: {LAN} {UDP}", to=NOBODY, port=OWN,
         pretend=GATEWAY),
    _row("the loopback's address", "datagram", f"lan: {LAN} {UDP}", to=NOBODY, port=OWN,
         pretend="127.0.0.1"),
    _row("an internet address", "datagram", f"lan: {LAN} {UDP}", to=NOBODY, port=OWN,
         pretend="1.1.1.1"),
)  # fmt: skip

ROUTES = (
    _changed("a route of one's own", f"route -n add -host {NOBODY} {{gateway}}",
             f"route -n delete -host {NOBODY}"),
    _changed(
        "a route by the host's LAN address",
        f"route -n add -host {HOST_ON_THE_LAN} -interface en0; "
        f"arp -s {HOST_ON_THE_LAN} {{gateway_mac}}; route -n add -host {NOBODY} {HOST_ON_THE_LAN}",
        f"route -n delete -host {NOBODY}; arp -d {HOST_ON_THE_LAN}; "
        f"route -n delete -host {HOST_ON_THE_LAN}",
    ),
    _changed(
        "an address as if it were on the link",
        f"route -n add -host {NOBODY} -interface en0; arp -s {NOBODY} {{gateway_mac}}",
        f"arp -d {NOBODY}; route -n delete -host {NOBODY}",
    ),
    _row("the attacker's server", "connect", f"internet: {INTERNET} tcp dport OWN", to=ATTACKER,
         port=OWN),
    _row("the host's loopback", "segment", f"host: ip daddr 127.0.0.1 {SSHD}", to="127.0.0.1",
         port=22, flags="S", source=OWN),
    _row("the host's LAN address", "connect", f"host: ip daddr {HOST_ON_THE_LAN} tcp dport OWN",
         to=HOST_ON_THE_LAN, port=OWN),
    _row("a cloud's metadata", "segment", f"lan: ip daddr {METADATA} tcp dport 80", to=METADATA,
         port=80, flags="S"),
    _row("a source route to the LAN", "options", f"lan: {LAN} {UDP}", to=GATEWAY, port=OWN,
         kind=131, through=NOBODY, **GATEWAYS),
)  # fmt: skip

FRAGMENTS = (
    _row("a tiny first fragment", "fragments", f"lan: {LAN} {UDP}", to=NOBODY, port=OWN,
         protocol=17, pieces=TINY),
    _row("fragments from the last", "fragments", f"lan: {LAN} {UDP}", to=NOBODY, port=OWN,
         protocol=17, pieces=LAST_FIRST),
    _row("TCP flags in the second fragment", "fragments", f"host: {SSHD}", to=GATEWAY, port=22,
         protocol=6, pieces=TINY_TCP, source=OWN, **GATEWAYS),
    _row("fragments that overlap with an open door", "fragments", f"host: {SSHD}", to=GATEWAY,
         port=22, protocol=6, pieces=OVER_TCP, decoy=DOOR, source=OWN, **GATEWAYS),
)  # fmt: skip

PROTOCOLS = (
    *(
        _row(f"IP protocol {number}", "protocol", f"lan: {LAN} ip protocol {number}", to=NOBODY,
             number=number)
        for number in (2, 4, 41, 47, 50, 132, 253, 255)
    ),
    _row("IP protocol 47 to the host", "protocol", "host: ip protocol 47", to=GATEWAY, number=47,
         **GATEWAYS),
    _row("a ping with a payload", "icmp", f"internet: {INTERNET} icmp type echo-request",
         to=ATTACKER, kind=8),
    _row("a ping to the gateway", "icmp", "host: icmp type echo-request", to=GATEWAY, kind=8,
         **GATEWAYS),
    _row("an ICMP redirect", "icmp", "host: icmp type redirect", to=GATEWAY, kind=5, code=1,
         **GATEWAYS),
    _row("an ICMP timestamp request", "icmp", "host: icmp type timestamp-request", to=GATEWAY,
         kind=13, **GATEWAYS),
    _row("record route", "options", f"host: {UDP} ip hdrlength 7", to=GATEWAY, port=OWN, kind=7,
         **GATEWAYS),
    _row("IP timestamps", "options", f"host: {UDP} ip hdrlength 7", to=GATEWAY, port=OWN,
         kind=68, **GATEWAYS),
    _row("router alert", "options", f"host: {UDP} ip hdrlength 6", to=GATEWAY, port=OWN,
         kind=148, **GATEWAYS),
)  # fmt: skip

NAMES = (
    _row("DNS over UDP at the gateway", "datagram", "host: udp dport 53 udp sport OWN", to=GATEWAY,
         port=53, source=OWN, **GATEWAYS),
    _row("DNS over TCP at the gateway", "segment", "host: tcp dport 53 tcp sport OWN",
         to=GATEWAY, port=53, flags="S", source=OWN, **GATEWAYS),
    _row("DNS over UDP at the attacker's", "datagram", f"internet: {INTERNET} udp dport 53",
         to=ATTACKER, port=53),
    _row("DNS over TCP at the attacker's", "connect", f"internet: {INTERNET} tcp dport 53",
         to=ATTACKER, port=53),
    _row("data in DHCP to the LAN", "dhcp", f"lan: {LAN} udp dport 67", to=NOBODY),
    _row("data in DHCP to the internet", "dhcp", f"internet: {INTERNET} udp dport 67",
         to=ATTACKER),
    _row("data in DHCP to the host's LAN address", "dhcp",
         f"host: ip daddr {HOST_ON_THE_LAN} udp dport 67", to=HOST_ON_THE_LAN),
)  # fmt: skip

TCP = (
    *(
        _row(f"TCP {flags or 'without flags'} at the sshd", "segment", f"host: {SSHD}", to=GATEWAY,
             port=22, flags=flags, source=OWN, **GATEWAYS)
        for flags in ("", "F", "A", "R", "SF", "SA", "FPU", "FSRPAU")
    ),
    *(
        _row(f"TCP {flags} at a door", "segment",
             f"host: tcp dport {DOOR} tcp sport OWN", to=GATEWAY, port=DOOR, flags=flags,
             source=OWN, **GATEWAYS)
        for flags in ("F", "A", "SA")
    ),
    _row("TCP ACK to the LAN", "segment", f"lan: {LAN} {SSHD}", to=NOBODY, port=22, flags="A",
         source=OWN),
    _row("what looks like the host's SSH", "segment", "host: tcp sport 22 tcp dport OWN",
         to=GATEWAY, port=OWN, flags="PA", source=22, **GATEWAYS),
    _row("what looks like a DHCP server's", "datagram", "host: udp sport 67 udp dport 68",
         to=GATEWAY, port=68, source=67, **GATEWAYS),
    _row("a land attack", "segment", f"host: ip saddr {GATEWAY} tcp dport OWN tcp sport OWN",
         to=GATEWAY, port=OWN, flags="S", source=OWN, pretend=GATEWAY),
    _row("every port of the gateway", "sweep",
         f"host: th sport OWN th dport != {{ {DOORS} }}", to=GATEWAY, first=1, last=65_535,
         source=OWN, least=130_000, **GATEWAYS),
)  # fmt: skip

CROWDS = tuple(
    _row(f"{name}, {to}:{port}", "datagram", f"host: ip daddr {to} udp dport {port}", to=to,
         port=port, softnet=softnet)
    for name, to, port, softnet in (
        ("mDNS", "224.0.0.251", 5353, True),
        ("SSDP", "239.255.255.250", 1900, True),
        ("NetBIOS", "255.255.255.255", 137, True),
        ("NetBIOS", "192.168.64.255", 138, True),
    )
)  # fmt: skip


OVER_IPV6 = (
    "a router advertisement",
    "a neighbour advertisement",
    "IPv6 to all nodes",
    "mDNS over IPv6",
    "the host's sshd over IPv6",
)


def over_ipv6(gateway6: str) -> tuple[Attack, ...]:
    """Return the attacks over IPv6; `gateway6` is the gateway's link-local address."""
    return (
        _row("a router advertisement", "advertise_router", "host: icmpv6 type nd-router-advert"),
        _row("a neighbour advertisement", "advertise_neighbour",
             "host: icmpv6 type nd-neighbor-advert ip6 daddr ff02::1"),
        _row("IPv6 to all nodes", "datagram6", "host: ip6 daddr ff02::1 udp dport OWN",
             to="ff02::1", port=OWN),
        _row("mDNS over IPv6", "datagram6", "host: ip6 daddr ff02::fb udp dport 5353",
             to="ff02::fb", port=5353),
        _row("the host's sshd over IPv6", "syn6", f"host: ip6 daddr {gateway6} {SSHD}",
             to=gateway6, port=22, source=OWN),
    )  # fmt: skip


#: The one that pf cannot tell from the real one: from another guest, the keep's own address. From
#: the keep's guest it is what a door is for, and the control that its frames are well made.
AS_THE_KEEP = _row("the keep's address, at a door", "segment",
                   f"host: tcp dport {DOOR} tcp sport OWN", to=GATEWAY, port=DOOR, flags="S",
                   source=OWN, pretend="192.168.64.2", pf=False)  # fmt: skip

ATTACKS = (*SOURCES, *ROUTES, *FRAGMENTS, *PROTOCOLS, *NAMES, *TCP, *CROWDS)
