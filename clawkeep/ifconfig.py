"""Finds the guest's bridge in what the host's `ifconfig` prints.

Neither the bridge's number nor the gateway's address is a constant (reference/tart.md §2.5): the
bridge is the interface whose network holds the guest's address. Only vmnet's interfaces count
(bridge100 and up): the address is the guest's own word, and must not lead to another network.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address

from clawkeep.link import Link
from clawkeep.render.anchor import BRIDGES


class LinkError(ValueError):
    """No bridge carries the guest."""


def link(text: str, guest: str) -> Link:
    """Return the link of the guest at address `guest`; `text` is the output of `ifconfig`.

    Raises LinkError when no bridge has that address in its network: the guest is not running, or
    its address is from an old lease.
    """
    try:
        IPv4Address(guest)
    except AddressValueError as error:
        raise LinkError(f"{guest!r} is no address of a guest") from error
    interface = ""
    for line in text.splitlines():
        if line and not line[0].isspace():
            interface = line.split(":", 1)[0]
        words = line.split()
        if words[:1] == ["inet"] and "netmask" in words and interface in BRIDGES:
            try:
                return Link.of(interface, words[1], words[words.index("netmask") + 1], guest)
            except (ValueError, IndexError):
                continue
    raise LinkError(f"no bridge of the host carries the guest's address {guest}")
