"""What one run of the canary asks: its probes, and what they are judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from clawkeep.link import Link
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT, Openings

ANSWER = "answer"
SILENCE = "silence"

TIMEOUT_S = 1.5
"""How long a probe of something open waits for the service to speak."""

SILENCE_S = 1.2
"""How long a probe waits before silence counts: one lost SYN is sent again after a second."""

DEADLINE_S = 4.0
"""When the guest's program ends whatever is still running, with a healthy number of probes."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to the guest.

    `what` names the function of `inside` that asks; `expected` is ANSWER or SILENCE and never
    leaves the host; `rule` is the label of the pf rule whose counter must confirm the result.
    `options` are further values for the function. `nonce` is in the probe's packets.
    """

    name: str
    what: str
    host: str
    port: int
    expected: str
    nonce: str = ""
    rule: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def question(self) -> dict[str, Any]:
        """Return what the guest is told."""
        timeout = TIMEOUT_S if self.expected == ANSWER else SILENCE_S
        return {
            **self.options,
            "nonce": self.nonce,
            "what": self.what,
            "host": self.host,
            "port": self.port,
            "timeout_s": timeout,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """All probes of one run, and what is not probed and why (`notes`)."""

    nonce: str
    probes: tuple[Probe, ...]
    notes: tuple[str, ...] = ()

    @property
    def questions(self) -> dict[str, Any]:
        """Return the document for the guest's program."""
        return {
            "nonce": self.nonce,
            # Each further hundred needs more of the guest's two cores, and of ours.
            "deadline_s": DEADLINE_S + len(self.probes) // 100,
            "probes": [probe.question for probe in self.probes],
        }


@dataclass(frozen=True, slots=True)
class Decoys:
    """Ports on which the host listens during a run and which the guest must not reach."""

    tcp: int
    udp: int
    tcp6: int | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Who else is there, as the host sees it; all are addresses as text.

    `own` are the host's other IPv4 addresses, `gateway6` its link-local one on the bridge,
    `lan` other machines on the host's networks, `guests` other running guests, `targets` where
    the doors lead, `(address, port)`.
    """

    decoys: Decoys
    own: tuple[str, ...] = ()
    gateway6: str | None = None
    lan: tuple[str, ...] = ()
    guests: tuple[str, ...] = ()
    targets: tuple[tuple[str, int], ...] = ()


def permitted(openings: Openings, link: Link, protocol: str, host: str, port: int) -> bool:
    """Tell whether the guest may send packets of `protocol` to `host` and `port`.

    The one place where the canary decides so; it reads `Openings`, as the anchor's renderer does,
    and is written apart from it, so that an error in one shows in the other.
    """
    address = ip_address(host.partition("%")[0])
    if address == link.gateway:
        if openings.resolver and port == RESOLVER_PORT:
            return protocol in {"tcp", "udp"}
        doors = {door.port for door in openings.doors}
        return protocol == "tcp" and (port in doors or (openings.proxy and port == PROXY_PORT))
    return (
        protocol == "tcp"
        and port in openings.ports
        and any(address in ip_network(cidr) for cidr in openings.cidrs)
    )


def as_data(plan: Plan) -> dict[str, Any]:
    """Return a plan for people and programs to read."""
    return {"nonce": plan.nonce, "notes": plan.notes, "probes": [asdict(p) for p in plan.probes]}
