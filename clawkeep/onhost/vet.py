"""What a door may be, checked on the host itself: it trusts neither the operator's side nor a file.

The rules are those of the allowlist's model, which needs pydantic and so cannot run here; a
property test holds the two against each other. On top come checks that only the host can make: a
target must not be the host itself, nor lie in the guest's network.
"""

from __future__ import annotations

import errno
import re
import socket
from ipaddress import AddressValueError, IPv4Address

from clawkeep.link import Link
from clawkeep.policy import ON_THE_HOST, Door

NAME = re.compile(r"[a-z]|[a-z][a-z0-9-]{0,38}[a-z0-9]")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
THE_HOST = frozenset({"localhost", "localdomain", "broadcasthost"})
KINDS = ("tcp", "tls", "http", "ssh")
LOWEST, HIGHEST = 1024, 65535
MAX_REASON = 200
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SHORTEST_S, LONGEST_S = 5, 7 * 86400

RESERVED = {
    2049: "the host's NFS server",
    3053: "Clawkeep's own resolver",
    3128: "Clawkeep's own egress proxy",
    3283: "the host's Remote Management",
    5000: "the host's AirPlay receiver",
    5900: "the host's Screen Sharing",
    7000: "the host's AirPlay receiver",
}
"""Gateway port -> what it belongs to, as in clawkeep.model.ports."""


class UnfitError(ValueError):
    """Something cannot be a door, or must not; the text is for the operator."""


def door(door: Door) -> Door:
    """Return `door` when every value of it may go into a rule, a plist and socat's argv.

    Raises UnfitError.
    """
    name(door.name)
    port(door.port)
    if not at_home(door):
        host(door.target_host)
    if not 1 <= door.target_port <= HIGHEST:
        raise UnfitError(f"port {door.target_port} does not exist; ports go from 1 to {HIGHEST}")
    if door.kind not in KINDS:
        raise UnfitError(f"{door.kind!r} is no kind of service; take one of {', '.join(KINDS)}")
    if door.server_name is not None:
        if door.kind != "tls":
            raise UnfitError("only a door of kind tls has a server name")
        if as_ipv4(door.server_name) is None:
            host(door.server_name)
    if not 1 <= door.max_connections <= 1024 or not 0 <= (door.idle_s or 0) <= 604_800:
        raise UnfitError("connections go from 1 to 1024, idle seconds from 0 to 604800")
    return door


def at_home(door: Door) -> bool:
    """Tell whether a declared door leads to a service of Clawkeep's own on this host.

    Only one that is declared: a grant's target is read by `target`, which knows no exception.
    """
    return door.until is None and (door.target_host, door.target_port) in ON_THE_HOST


def name(text: str) -> str:
    """Return `text` when it can name a door. Raises UnfitError."""
    if not NAME.fullmatch(text):
        raise UnfitError(
            f"{text!r} cannot name a door: take 1 to 40 lower-case letters, digits and hyphens, "
            "beginning with a letter and not ending with a hyphen"
        )
    return text


def port(number: int) -> int:
    """Return `number` when a bridge may listen there. Raises UnfitError."""
    if not LOWEST <= number <= HIGHEST:
        raise UnfitError(f"a bridge cannot have port {number}; take one from {LOWEST} to {HIGHEST}")
    if owner := RESERVED.get(number):
        raise UnfitError(f"{number} is reserved for {owner}; take another port")
    return number


def target(text: str) -> tuple[str, int]:
    """Read `host:port`. Raises UnfitError."""
    where, _, number = text.rpartition(":")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", number) or int(number) > HIGHEST:
        raise UnfitError(f"{text!r} has no valid port; write host:port, such as 10.0.30.5:8123")
    return host(where), int(number)


def host(text: str) -> str:
    """Return a host name in lower case, or an address. Raises UnfitError."""
    if address := as_ipv4(text):
        if why := never(address):
            raise UnfitError(f"{text} is {why}")
        return text
    lower = text.lower()
    labels = lower.split(".")
    if (
        len(lower) > 253
        or not lower.isascii()
        or not all(LABEL.fullmatch(label) for label in labels)
        # inet_aton(3) reads a name whose last label is a number as an address: 0x7f000001.
        or NUMERIC_LABEL.fullmatch(labels[-1])
    ):
        raise UnfitError(f"{text!r} is neither a host name nor an IPv4 address")
    if labels[-1] in THE_HOST:
        raise UnfitError(f"{text!r} is the host itself")
    return lower


def line(text: str, what: str) -> str:
    """Return one visible, non-empty line of at most 200 characters. Raises UnfitError."""
    if not text.strip() or len(text) > MAX_REASON or not text.isprintable():
        raise UnfitError(f"{what}: one line of 1 to {MAX_REASON} visible characters is needed")
    return text


def seconds(text: str) -> int:
    """Read how long a grant lasts: `90s`, `15m`, `2h`, `1d`. Raises UnfitError."""
    found = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text)
    span = int(found[1]) * UNITS[found[2]] if found else 0
    if not SHORTEST_S <= span <= LONGEST_S:
        raise UnfitError(
            f"{text!r} is no time that a grant may last: write 90s, 15m, 2h or 1d, from "
            f"{SHORTEST_S}s to {LONGEST_S // 86400}d"
        )
    return span


def as_ipv4(text: str) -> IPv4Address | None:
    """Return `text` as an address, None when it is not one in plain dotted form."""
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


def never(address: IPv4Address) -> str | None:
    """Say why no bridge may ever lead to `address`, None when one may."""
    if address.is_unspecified:
        return "the wildcard address"
    if address.is_loopback:
        return "the host's own loopback"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if int(address) >> 24 == 0 or address.is_reserved:
        return "a reserved address"
    return None


def leads_back(address: IPv4Address, link: Link) -> str | None:
    """Say why a bridge must not lead to `address` on this host at this moment, or None.

    A target on the host would be a way around the anchor: to any port of the host, or to another
    door as if from the host.
    """
    if why := never(address):
        return why
    if address in link.network:
        return f"in the guest's own network {link.network}"
    if own(address):
        return "the host itself"
    return None


def astray(name: str, link: Link) -> str | None:
    """Say why a bridge must not lead to the target `name`, resolved now; None when it may.

    One bad address among several is enough: the next connection might take it.
    """
    try:
        found = addresses(name)
    except OSError as error:
        return f"target {name} does not resolve on the host: {error}"
    for address in sorted(found):
        if why := leads_back(address, link):
            return (
                f"target {name} is {why}" if as_ipv4(name) else f"target {name} is {address}, {why}"
            )
    return None


def own(address: IPv4Address) -> bool:
    """Tell whether `address` is one of this host's. In doubt it is.

    A socket can only be bound to an address that the host has; xnu knows no way around it
    (reference/macos.md §3), and neither needs this a privilege or another program.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def taken(address: IPv4Address, number: int) -> bool:
    """Tell whether somebody listens at `address`:`number`, without asking any program.

    With SO_REUSEADDR only a listener is in the way of a bind, not a connection that ends.
    Raises OSError when the host does not have the address.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((str(address), number))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def addresses(name: str) -> frozenset[IPv4Address]:
    """Resolve a target as the host does. Raises OSError when it has no address."""
    if literal := as_ipv4(name):
        return frozenset({literal})
    found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    return frozenset(IPv4Address(entry[4][0]) for entry in found)
