"""What is behind the walls: bridges, the proxy, the resolver, other guests, the host itself."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from clawkeep.domains import covers
from clawkeep.explain.flow import Flow, Step
from clawkeep.explain.layers import Layers
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT, Door, Openings

GUEST_V6 = IPv6Address("fd00::2")
"""Stands for the guest's IPv6 address: no rule names one. Source: reference/macos.md §1.4."""


def neighbour(layers: Layers, flow: Flow) -> bool:
    """Whether the destination is another guest: on the same bridge, and not the gateway."""
    link = layers.link
    broadcast = flow.destination == link.network.broadcast_address
    return (
        flow.destination in link.network and flow.destination != link.gateway and not broadcast
        if flow.destination.version == 4
        else False
    )


def isolation(layers: Layers) -> Iterator[Step]:
    """Yield what keeps guests apart: pf does not see frames between members of a bridge.

    Source: reference/macos.md §1.4, reference/tart.md §2.1.
    """
    unseen = "pf does not see frames between two guests of one bridge"
    if layers.softnet is None:
        return
    if layers.softnet.isolated:
        yield Step("bridge", "refuses", "isolation", f"{unseen}; the bridge keeps guests apart")
    else:
        yield Step("bridge", "passes", "no isolation", f"{unseen}, and nothing keeps them apart")


def behind(layers: Layers, flow: Flow) -> Iterator[Step]:
    """Yield what takes the flow when both walls let it pass, if that is anything of ours."""
    if flow.destination != layers.link.gateway or flow.protocol != "tcp" or flow.port is None:
        return
    if door := layers.door(flow.port):
        yield _listening(layers, flow.port, f"bridge {door.name}", _leads(door))
    elif flow.port == PROXY_PORT and layers.openings.proxy:
        yield _listening(layers, flow.port, "proxy", "the proxy connects to allowed names only")
    elif flow.port == RESOLVER_PORT and layers.openings.resolver:
        yield _listening(layers, flow.port, "resolver", "it knows the declared names only")


def _listening(layers: Layers, port: int, layer: str, words: str) -> Step:
    if layers.listeners is None:
        return Step(layer, "passes", f"gateway:{port}", words)
    if program := layers.listeners.get(port):
        return Step(layer, "passes", f"{program} on gateway:{port}", words)
    return Step(layer, "refuses", f"gateway:{port}", "nothing listens there at this moment")


def _leads(door: Door) -> str:
    until = "" if door.until is None else f"; a grant that ends by itself, for: {door.reason}"
    return f"the bridge connects to {door.target} (checked as {door.kind}){until}"


def proxy_rule(openings: Openings, name: str, protocol: str, port: int | None) -> Step:
    """Return what the proxy's list says to a name, in the order of squid.conf's own rules.

    The proxy knows CONNECT to port 443, and plain HTTP to port 80 where that is declared; the
    provisioning window is for CONNECT alone.
    """
    passes, by, words = _listed(openings, name, protocol, port)
    if passes:
        words += "; an answer that is a private address is refused all the same"
    return Step("proxy list", "passes" if passes else "refuses", by, words)


def _listed(
    openings: Openings, name: str, protocol: str, port: int | None
) -> tuple[bool, str, str]:
    if protocol != "tcp":
        return False, "protocol", f"the proxy carries TCP, not {protocol}"
    if port != 443 and not (port == 80 and openings.http):
        ports = "443 and 80" if openings.http else "443"
        return False, f"port {port}", f"the proxy connects to port {ports} only"
    if entry := _entry(name, openings.domains):
        return True, entry, f"the declared domain {entry} covers {name}"
    if port == 443 and (entry := _entry(name, openings.window)):
        return True, entry, f"the provisioning window covers {name} ({entry}) until it closes"
    if openings.report:
        return True, "report", f"{name} is not listed; the proxy only notes that, as it reports"
    return False, "not listed", f"no declared domain covers {name}"


def _entry(name: str, domains: tuple[str, ...]) -> str | None:
    """Return the entry that covers `name`, None when none does."""
    return next((domain for domain in domains if covers(domain, name)), None)
