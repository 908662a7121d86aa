"""The live network between host and guest: known at run time, never declared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

BRIDGE = re.compile(r"bridge[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Link:
    """The bridge interface of the running guest.

    `gateway` is the host's own address on `bridge`, `network` the guest network and `guest` the
    guest's address in it. All of them change from start to start.
    Source: reference/tart.md §2.5, reference/macos.md §1.4.
    """

    bridge: str
    gateway: IPv4Address
    network: IPv4Network
    guest: IPv4Address

    def __post_init__(self) -> None:
        if not BRIDGE.fullmatch(self.bridge):
            raise ValueError(f"{self.bridge!r} is no bridge interface")
        for what, address in (("gateway", self.gateway), ("guest", self.guest)):
            if address not in self.network:
                raise ValueError(f"{what} {address} is not in the guest network {self.network}")
        if self.guest == self.gateway:
            raise ValueError(f"guest and gateway cannot both be {self.guest}")

    @classmethod
    def of(cls, bridge: str, gateway: str, netmask: str, guest: str) -> Link:
        """Build a link from text, as ifconfig and tart print it.

        `netmask` is a prefix length (`24`), dotted (`255.255.255.0`) or hexadecimal
        (`0xffffff00`, ifconfig's own form). Raises ValueError when anything does not fit.
        """
        if netmask.startswith("0x"):
            netmask = str(IPv4Address(int(netmask, 16)))
        network = IPv4Interface(f"{gateway}/{netmask}").network
        return cls(bridge, IPv4Address(gateway), network, IPv4Address(guest))


EXAMPLE = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
"""Stands for the link while no guest runs: what a first vmnet guest usually gets."""
