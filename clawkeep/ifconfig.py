"""Reads what the host's `ifconfig` prints: the guest's link, and the host's own addresses.

Neither the bridge's number nor the gateway's address is a constant (reference/tart.md §2.5): the
bridge is the interface whose network holds the guest's address. Only vmnet's interfaces count
(bridge100 and up): the address is the guest's own word, and must not lead to another network.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    for interface, words in details(text):
        if words[0] == "inet" and "netmask" in words and interface in BRIDGES:
            try:
                return Link.of(interface, words[1], words[words.index("netmask") + 1], guest)
            except (ValueError, IndexError):
                continue
    raise LinkError(f"no bridge of the host carries the guest's address {guest}")


def own(text: str) -> tuple[IPv4Address, ...]:
    """Return the host's own IPv4 addresses, each once: no loopback, and no guest's gateway.

    An alias that somebody gave to lo0 counts: the host answers to it on every interface.
    """
    found = []
    for interface, words in details(text):
        if words[0] == "inet" and len(words) > 1 and interface not in BRIDGES:
            try:
                address = IPv4Address(words[1])
            except AddressValueError:
                continue
            if not address.is_loopback:
                found.append(address)
    return tuple(dict.fromkeys(found))


def details(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the words of each line of an interface's section, with the interface."""
    interface = ""
    for line in text.splitlines():
        if line and not line[0].isspace():
            interface = line.split(":", 1)[0]
        elif words := line.split():
            yield interface, words
