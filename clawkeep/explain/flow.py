"""One packet that is asked about, and what one layer says to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clawkeep.explain.softnet import Address

Says = Literal["passes", "refuses", "unknown"]


@dataclass(frozen=True, slots=True)
class Flow:
    """The first packet of a flow, seen from the guest: `out` of it, or `in` to it.

    `port` is the destination's; `source_port` any of those that clients use.
    """

    way: Literal["out", "in"]
    source: Address
    destination: Address
    protocol: str
    port: int | None = None

    @property
    def source_port(self) -> int | None:
        """The client's port: DHCP has its own, every other client takes a high one."""
        if self.port is None:
            return None
        return 68 if (self.protocol, self.port) == ("udp", 67) else 50_000

    @property
    def v6(self) -> bool:
        """Whether the packet is IPv6."""
        return self.destination.version == 6

    def __str__(self) -> str:
        host = f"[{self.destination}]" if self.v6 and self.port else f"{self.destination}"
        port = f":{self.port}" if self.port else ""
        return f"{self.source} -> {host}{port}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Step:
    """What one layer says: `by` names the deciding rule, flag or job, `words` explain it.

    `trail` are the pf rules that matched on the way to the decision. What does not count is said
    for information.
    """

    layer: str
    says: Says
    by: str
    words: str
    trail: tuple[str, ...] = ()
    counts: bool = True
