"""The flags that make Softnet refuse everything but the gateway."""

from __future__ import annotations

from ipaddress import IPv4Address

from clawkeep.model import Egress

EVERYTHING = "0.0.0.0/0"
HOST_ALIAS = "@host"


def softnet_flags(egress: Egress, *, gateway: IPv4Address | None = None) -> tuple[str, ...]:
    """Return the softnet flags of `tart run` for `egress`.

    Plain `--net-softnet` lets the guest reach the whole internet and every port of the gateway;
    an allow alone only widens that. So everything is blocked, and the gateway allowed: by the
    alias `@host`, which softnet knows since 0.19.0, or, for an older one, by the address in
    `gateway`. Each option is given once: a second one would replace the first.
    Raises ValueError for an egress mode that has no flags yet.
    Source: reference/tart.md §1.5, §2.2, §2.3.
    """
    if egress.mode != "none":
        raise ValueError(f"egress {egress.mode!r} is not available yet")
    allowed = HOST_ALIAS if gateway is None else f"{gateway}/32"
    return (f"--net-softnet-block={EVERYTHING}", f"--net-softnet-allow={allowed}")
