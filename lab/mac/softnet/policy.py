"""Softnet's rules: parsed as softnet parses them, decided as softnet decides.

A destination is decided by the rule with the longest prefix, and on a tie block wins, in whatever
order the rules were written. Where no rule matches: global addresses and the gateway are allowed,
and DNS to the servers that DHCP announced. Source: reference/tart.md §2.2-2.3.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field

# What the crate ip_network does not call global; multicast is not in it (tart.md §2.2 4b).
NOT_GLOBAL = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
    )
)
EVERYTHING = ipaddress.IPv4Network("0.0.0.0/0")
HOST_ALIAS = "@host"
MAX_TARGETS = 4096


class InvalidTargetError(ValueError):
    """A rule that softnet does not accept; the message is softnet's."""


def parse_target(text: str, gateway: str) -> ipaddress.IPv4Network:
    """Read one rule's target: `a.b.c.d/len` or `@host`. Raises InvalidTargetError.

    The length is mandatory; host bits may be set.
    """
    if text == HOST_ALIAS:
        return ipaddress.IPv4Network(f"{gateway}/32")
    if text.startswith(("in ", "out ")):
        raise InvalidTargetError(
            "directional rules are not supported: the lab's filter keeps no state"
        )
    address, slash, length = text.partition("/")
    if not slash or not length.isdecimal():
        raise InvalidTargetError("invalid IP address syntax")
    try:
        return ipaddress.IPv4Network(f"{ipaddress.IPv4Address(address)}/{length}", strict=False)
    except ValueError as error:
        raise InvalidTargetError("invalid IP address syntax") from error


def split_targets(text: str | None, gateway: str) -> tuple[ipaddress.IPv4Network, ...]:
    """Read a comma-separated list of targets. Raises InvalidTargetError."""
    if text is None:
        return ()
    return tuple(parse_target(one, gateway) for one in text.split(","))


@dataclass(frozen=True)
class Policy:
    """What a guest may reach, by destination alone."""

    gateway: ipaddress.IPv4Address
    allow: tuple[ipaddress.IPv4Network, ...] = ()
    block: tuple[ipaddress.IPv4Network, ...] = ()
    dns: tuple[ipaddress.IPv4Address, ...] = field(default=())

    @classmethod
    def parse(cls, allow: str | None, block: str | None, gateway: str) -> Policy:
        """Read the two command-line lists; the DNS server is the gateway, as vmnet announces it.

        Raises InvalidTargetError.
        """
        address = ipaddress.IPv4Address(gateway)
        return cls(
            address, split_targets(allow, gateway), split_targets(block, gateway), (address,)
        )

    @property
    def isolated(self) -> bool:
        """Whether guests are kept apart: not when everything is allowed, even if also blocked."""
        return EVERYTHING not in self.allow

    def decisions(self) -> Iterator[tuple[ipaddress.IPv4Network, bool]]:
        """Yield (destination, allowed), the most specific first; the first match is final."""
        rules = [(net, False) for net in self.block]
        rules += [(net, True) for net in self.allow if net not in self.block]
        yield from sorted(dict.fromkeys(rules), key=lambda rule: -rule[0].prefixlen)

    def allows(self, destination: str, *, udp_port: int | None = None) -> bool:
        """Decide one packet by its destination (and its port, where it is UDP)."""
        address = ipaddress.IPv4Address(destination)
        for net, allowed in self.decisions():
            if address in net:
                return allowed
        if not any(address in net for net in NOT_GLOBAL) or address == self.gateway:
            return True
        return udp_port == 53 and address in self.dns
