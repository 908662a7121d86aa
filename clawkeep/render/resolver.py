"""The guest's files in /etc/resolver: for which names it asks the resolver on the gateway.

A file is named like the domain it is for. macOS asks whoever it names for that name and all below
it; what asks DNS by itself, such as dig, takes no notice. Source: reference/macos.md §8.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from clawkeep.model import Service
from clawkeep.policy import RESOLVER_PORT

FOLDER = "/etc/resolver"

MARK = "# Written by clawkeep; do not edit."
"""The first line of a file of ours: by it they are told from anybody else's."""


def resolver_files(services: Iterable[Service], gateway: IPv4Address) -> dict[str, str]:
    """Return the files, by path: one per name under which the guest calls a service."""
    text = f"{MARK}\nnameserver {gateway}\nport {RESOLVER_PORT}\n"
    names = dict.fromkeys(service.guest_name for service in services if service.guest_name)
    return {f"{FOLDER}/{name}": text for name in names}
