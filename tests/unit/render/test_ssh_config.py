"""The guest's SSH configuration."""

from __future__ import annotations

from ipaddress import IPv4Address

from clawkeep.model import Service
from clawkeep.render.ssh_config import ssh_config

GATEWAY = IPv4Address("192.168.64.1")
NAS = Service.model_validate(
    {"name": "truenas-ssh", "port": 18022, "target": "10.0.30.20:22", "kind": "ssh"}
)
WEB = Service.model_validate({"name": "web", "port": 18080, "target": "web.lan:80", "kind": "http"})


def test_an_ssh_service_is_called_by_its_name_and_pinned_under_it() -> None:
    assert ssh_config([WEB, NAS], GATEWAY) == (
        "# Written by clawkeep. Do not edit: it is rendered anew.\n"
        "\n"
        "Host truenas-ssh\n"
        "    HostName 192.168.64.1\n"
        "    Port 18022\n"
        "    HostKeyAlias truenas-ssh\n"
        "    StrictHostKeyChecking yes\n"
        "    UserKnownHostsFile ~/.ssh/known_hosts_clawkeep\n"
        "    ServerAliveInterval 60\n"
    )


def test_without_ssh_services_there_is_nothing_to_write() -> None:
    assert ssh_config([WEB], GATEWAY) == ""
