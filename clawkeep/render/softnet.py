"""The flags that make Softnet refuse everything but the gateway, and the networks of `cidrs`."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from clawkeep.model import Egress

EVERYTHING = "0.0.0.0/0"
HOST_ALIAS = "@host"


def softnet_flags(egress: Egress, *, gateway: IPv4Address | None = None) -> tuple[str, ...]:
    """Return the softnet flags of `tart run` for `egress`.

    Plain `--net-softnet` lets the guest reach the whole internet and every port of the gateway;
    an allow alone only widens that. So everything is blocked, and the gateway allowed: by the
    alias `@host`, which softnet knows since 0.19.0, or, for an older one, by the address in
    `gateway`; in mode `cidrs` the declared networks too, the longest prefix winning. Softnet knows
    no ports: those are pf's. In mode `domains` the guest reaches the proxy on the gateway, and
    nothing more. Each option is given once, since a second one would replace the first, and every
    network with its length, without which softnet ends.
    Source: reference/tart.md §1.5, §2.2, §2.3.
    """
    networks = egress.cidrs if egress.mode == "cidrs" else ()
    allowed = [HOST_ALIAS if gateway is None else f"{gateway}/32"]
    allowed += [str(IPv4Network(network)) for network in networks]
    return (f"--net-softnet-block={EVERYTHING}", f"--net-softnet-allow={','.join(allowed)}")
