"""Who is around the guest, as the host's own programs say: whom the probes must not reach."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from clawkeep import ifconfig
from clawkeep.link import Link
from clawkeep.policy import Door

RESOLVE_S = 1.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """The host's addresses: `own` of `ifconfig`, and the link-local one on the guest's bridge."""

    own: tuple[str, ...]
    gateway6: str | None


def addresses(interfaces: str, link: Link) -> Addresses:
    """Read what `ifconfig` prints. Guests' bridges hold gateways, each with probes of its own."""
    six = (
        words[1].partition("%")[0]
        for interface, words in ifconfig.details(interfaces)
        if interface == link.bridge and words[0] == "inet6" and words[1].startswith("fe80:")
    )
    return Addresses(tuple(map(str, ifconfig.own(interfaces))), next(six, None))


def router(route: str) -> tuple[str, ...]:
    """Read what `route -n get default` prints: a machine of the LAN that surely is there."""
    found = re.search(r"^\s*gateway:\s*(\S+)\s*$", route, re.MULTILINE)
    try:
        return (str(IPv4Address(found[1])),) if found else ()
    except AddressValueError:
        return ()


def targets(doors: Iterable[Door]) -> tuple[tuple[str, int], ...]:
    """Return where the doors lead; names that the host does not know in a second are left out."""
    found: set[tuple[str, int]] = set()

    def look(door: Door) -> None:
        try:
            info = socket.getaddrinfo(door.target_host, door.target_port, socket.AF_INET)
        except OSError:
            return
        found.add((str(info[0][4][0]), door.target_port))

    names: list[threading.Thread] = []
    for door in doors:
        try:
            found.add((str(IPv4Address(door.target_host)), door.target_port))
        except AddressValueError:
            names.append(threading.Thread(target=look, args=(door,), daemon=True))
    for thread in names:
        thread.start()
    for thread in names:
        thread.join(RESOLVE_S / len(names))
    return tuple(sorted(set(found)))
