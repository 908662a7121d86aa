"""From the declared keep to the policy that the host enforces.

The operator's side of `clawkeep.policy`: only here are the models known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from clawkeep import profiles
from clawkeep.domains import minimal
from clawkeep.model import Egress, Keep, Service
from clawkeep.policy import Door, EgressPolicy, Policy


def policy_of(
    keep: Keep,
    *,
    owner: str,
    owner_uid: int,
    owner_home: str,
    cas: Mapping[str, str],
    registries: Iterable[str] = (),
) -> Policy:
    """Return the policy of the declared keep; `cas` are PEM texts by the services' `ca` names.

    `registries` are the hosts that the host's npm and pip named for `keep.egress.asked`.
    """
    return Policy(
        digest=keep.digest,
        guest=keep.guest.name,
        owner=owner,
        owner_uid=owner_uid,
        owner_home=owner_home,
        bridge_user=keep.host.bridge_user,
        doors=tuple(door_of(service, cas) for service in keep.services),
        egress=egress_of(keep.egress, registries),
        dns=keep.decisions.dns,
    )


def egress_of(egress: Egress, registries: Iterable[str] = ()) -> EgressPolicy:
    """Return the declared egress with its profiles as domains; see `policy_of`."""
    by_name = egress.mode == "domains"
    named = (*egress.domains, *profiles.domains(egress.profiles), *registries)
    return EgressPolicy(
        mode=egress.mode,
        cidrs=egress.cidrs,
        ports=egress.ports,
        domains=minimal(named) if by_name else (),
        http=egress.http,
        report_until=egress.report_until_s,
    )


def door_of(service: Service, cas: Mapping[str, str] | None = None) -> Door:
    """Return the door of one service of the allowlist."""
    return Door(
        name=service.name,
        port=service.port,
        target_host=service.target.host,
        target_port=service.target.port,
        kind=service.kind,
        guest_name=service.guest_name,
        server_name=service.tls_name if service.kind == "tls" else None,
        ca=(cas or {}).get(service.ca) if service.ca else None,
        idle_s=service.idle_s,
        max_connections=service.max_connections,
    )


def certificates(keep: Keep, folder: Path) -> dict[str, str]:
    """Return the private CAs that services name, in `folder`, as PEM texts. Raises OSError."""
    return {s.ca: (folder / s.ca).read_text() for s in keep.services if s.ca}
