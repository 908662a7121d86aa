"""What stands between the guest and a destination: once as declared, once as it is live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Literal

from clawkeep.explain.pf import Filter
from clawkeep.explain.softnet import Softnet
from clawkeep.link import Link
from clawkeep.policy import Door, Openings

Side = Literal["declared", "live"]


@dataclass(frozen=True)
class Layers:
    """One version of all layers, `declared` or `live`.

    `softnet` is None when no running guest shows its flags. `listeners` are the ports on which
    the gateway answers, with the program; None when they are taken for granted (declared).
    `host` are the host's own addresses on other networks. `unknown` says, by layer, why it could
    not be read.
    """

    side: Side
    link: Link
    openings: Openings
    pf: Filter | None
    softnet: Softnet | None
    host: tuple[IPv4Address, ...] = ()
    listeners: Mapping[int, str] | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)

    def door(self, port: int) -> Door | None:
        """Return the door at a port of the gateway, None when there is none."""
        return next((door for door in self.openings.doors if door.port == port), None)
