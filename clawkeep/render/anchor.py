"""The pf anchor `com.apple/000.clawkeep`: which doors the guest may use, and no more.

Rules are rendered as `pfctl -sr` prints them (numeric, one per line, `port = N`, implicit flags
written out), so that what is loaded can be compared with what was rendered, line by line.
Source: reference/macos.md §1.3-1.5, reference/pf-grammar.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from clawkeep.model import Link, Service

ANCHOR = "com.apple/000.clawkeep"
"""Evaluated by the stock ruleset's `anchor "com.apple/*"`, and before every other child of it."""

BRIDGES = tuple(f"bridge{number}" for number in range(100, 111))
"""Interfaces on which a guest may appear; macOS picks the number at each start."""

LABEL_PREFIX = "clawkeep-"
TCP_STATE = "flags S/SA keep state"


def deny_all(bridges: Sequence[str] = BRIDGES) -> str:
    """Return the anchor under which a guest may start: it reaches nothing at all.

    What passes on each bridge: the guest's DHCP requests, and SSH from the host into the guest.
    Interfaces need not exist yet.
    """
    return _text("No guest is known: nothing is open.", _closed(bridges))


def anchor(services: Sequence[Service], link: Link, bridges: Sequence[str] = BRIDGES) -> str:
    """Return the anchor for the live `link`: one pass per service, then everything is refused.

    The other `bridges` stay closed, since a guest that restarts may appear on another one before
    this anchor is rendered anew. Passes name the guest's address, which Softnet enforces; the
    refusals name no source and no protocol, because an alias address or another protocol must
    not get past them.
    """
    rules = (
        *_lifelines(link.bridge, f"from {link.gateway} to {link.network}", f"{link.gateway}"),
        *(_door(service, link) for service in services),
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


def _door(service: Service, link: Link) -> str:
    return (
        f"pass in quick on {link.bridge} inet proto tcp from {link.guest} to {link.gateway} "
        f'port = {service.port} {TCP_STATE} label "{LABEL_PREFIX}svc-{service.name}"'
    )


def _refusals(bridge: str) -> Iterator[str]:
    """Yield the last rules of a bridge. IPv4 is refused audibly, so that clients fail at once."""
    yield f'block return in quick on {bridge} inet all label "{LABEL_PREFIX}deny4"'
    yield f'block drop in quick on {bridge} inet6 all label "{LABEL_PREFIX}deny6"'
