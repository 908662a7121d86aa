"""The pf anchors on the host: which doors the guest may use, and a wall behind them.

Two anchors, both evaluated by the stock ruleset's `anchor "com.apple/*"` before any other child:
the doors, `com.apple/000.clawkeep`, and after it the wall, which refuses everything and never
changes. The doors' anchor refuses all that it does not pass, too; but should somebody empty it,
the wall still stands. Rules are rendered as `pfctl -sr` prints them (numeric, one per line, `port
= N`, implicit flags written out), so that what is loaded can be compared with what was rendered,
line by line. Source: reference/macos.md §1.3-1.5, reference/pf-grammar.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from clawkeep.link import Link
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT, Door, Openings

ANCHOR = "com.apple/000.clawkeep"
"""The doors."""

WALL = "com.apple/001.clawkeep-wall"
"""What stands when the doors' anchor is gone."""

BRIDGES = tuple(f"bridge{number}" for number in range(100, 111))
"""Interfaces on which a guest may appear; macOS picks the number at each start."""

LABEL_PREFIX = "clawkeep-"
TCP_STATE = "flags S/SA keep state"


def deny_all(bridges: Sequence[str] = BRIDGES) -> str:
    """Return the doors' anchor under which a guest may start: it reaches nothing at all.

    What passes on each bridge: the guest's DHCP requests, and SSH from the host into the guest.
    Interfaces need not exist yet.
    """
    return _text("No guest is known: nothing is open.", _closed(bridges))


def wall(bridges: Sequence[str] = BRIDGES) -> str:
    """Return the second anchor: the rules of `deny_all`, for whatever the first did not decide."""
    return _text("The wall: whatever no door lets pass.", _closed(bridges))


def anchor(openings: Openings, link: Link, bridges: Sequence[str] = BRIDGES) -> str:
    """Return the doors' anchor for the live `link`: one pass per opening, then all is refused.

    The other `bridges` stay closed, since a guest that restarts may appear on another one before
    this anchor is rendered anew. Passes name the guest's address, which Softnet enforces; the
    refusals name no source and no protocol, because an alias address or another protocol must
    not get past them.
    """
    rules = (
        *_lifelines(link.bridge, f"from {link.gateway} to {link.network}", f"{link.gateway}"),
        *(_door(door, link) for door in openings.doors),
        *_gateway_services(openings, link),
        *_internet(openings, link),
        *_refusals(link.bridge),
        *_closed(bridge for bridge in bridges if bridge != link.bridge),
    )
    return _text(f"The guest is {link.guest} on {link.bridge}.", rules)


def kill_switch(bridges: Sequence[str] = BRIDGES) -> str:
    """Return the anchor that cuts the guests off altogether, in both directions.

    States outlive rules: kill them after loading this (`pfctl -k`), or open connections go on.
    Source: reference/macos.md §1.4.
    """
    rules = (f'block drop quick on {b} all label "{LABEL_PREFIX}kill"' for b in bridges)
    return _text("Kill switch: every guest is cut off.", rules)


def printed(text: str) -> tuple[str, ...]:
    """Return the lines that `pfctl -a ANCHOR -sr` prints once the anchor `text` is loaded."""
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def _text(headline: str, rules: Iterable[str]) -> str:
    lines = ("# Written by clawkeep. Do not edit: it is rendered anew.", f"# {headline}", *rules)
    return "\n".join(lines) + "\n"


def _closed(bridges: Iterable[str]) -> Iterator[str]:
    for bridge in bridges:
        yield from _lifelines(bridge, "from any to any")
        yield from _refusals(bridge)


def _lifelines(bridge: str, ssh: str, *dhcp_servers: str) -> Iterator[str]:
    """Yield what keeps a closed guest manageable: the host's SSH into it, and its lease.

    DHCP goes to the broadcast address, and to the gateway when it is renewed; to any address it
    would be a way out for data.

    Without a state of its own the replies of that SSH would be refused. bootpd receives DHCP
    through a socket, which pf filters. Source: reference/macos.md §1.4.
    """
    yield (
        f"pass out quick on {bridge} inet proto tcp {ssh} port = 22 {TCP_STATE} "
        f'label "{LABEL_PREFIX}ssh"'
    )
    for server in ("255.255.255.255", *dhcp_servers):
        yield (
            f"pass in quick on {bridge} inet proto udp from any port = 68 to {server} port = 67 "
            f'no state label "{LABEL_PREFIX}dhcp"'
        )


def _door(door: Door, link: Link) -> str:
    return _pass(link, "tcp", f"{link.gateway}", door.port, f"svc-{door.name}")


def _gateway_services(openings: Openings, link: Link) -> Iterator[str]:
    """Yield the passes to what Clawkeep itself offers on the gateway."""
    gateway = f"{link.gateway}"
    if openings.proxy:
        yield _pass(link, "tcp", gateway, PROXY_PORT, "proxy")
    if openings.resolver:
        for protocol in ("udp", "tcp"):
            yield _pass(link, protocol, gateway, RESOLVER_PORT, "resolver")


def _internet(openings: Openings, link: Link) -> Iterator[str]:
    for cidr in openings.cidrs:
        for port in openings.ports:
            yield _pass(link, "tcp", cidr, port, "egress")


def _pass(link: Link, protocol: str, to: str, port: int, label: str) -> str:
    state = TCP_STATE if protocol == "tcp" else "keep state"
    return (
        f"pass in quick on {link.bridge} inet proto {protocol} from {link.guest} to {to} "
        f'port = {port} {state} label "{LABEL_PREFIX}{label}"'
    )


def _refusals(bridge: str) -> Iterator[str]:
    """Yield the last rules of a bridge. IPv4 is refused audibly, so that clients fail at once.

    Outwards too: otherwise internet sharing's `pass on bridge100 all flags any keep state` makes a
    state of whatever the host sends, and revoked flows come back to life by it.
    Source: reference/macos.md §1.4.
    """
    yield f'block return in quick on {bridge} inet all label "{LABEL_PREFIX}deny4"'
    yield f'block drop in quick on {bridge} inet6 all label "{LABEL_PREFIX}deny6"'
    yield f'block drop out quick on {bridge} all label "{LABEL_PREFIX}deny-out"'
