"""The guest's SSH configuration for services of kind ssh."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from clawkeep.model import Service

HEADLINE = "# Written by clawkeep. Do not edit: it is rendered anew.\n"
KNOWN_HOSTS = "~/.ssh/known_hosts_clawkeep"


def ssh_config(
    services: Iterable[Service], gateway: IPv4Address, known_hosts: str = KNOWN_HOSTS
) -> str:
    """Return one `Host` block per ssh service, so that `ssh <name>` goes through its bridge.

    The key is pinned under the service's name, never under the gateway's address, which all
    bridges share. Empty when there is no such service. Source: reference/macos.md §8.
    """
    blocks = [_host(service, gateway, known_hosts) for service in services if service.kind == "ssh"]
    return "\n".join([HEADLINE, *blocks]) if blocks else ""


def _host(service: Service, gateway: IPv4Address, known_hosts: str) -> str:
    return (
        f"Host {service.name}\n"
        f"    HostName {gateway}\n"
        f"    Port {service.port}\n"
        f"    HostKeyAlias {service.name}\n"
        f"    StrictHostKeyChecking yes\n"
        f"    UserKnownHostsFile {known_hosts}\n"
        f"    ServerAliveInterval 60\n"
    )
