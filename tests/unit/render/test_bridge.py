"""The socat command of a bridge."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from clawkeep.model import Service
from clawkeep.render.bridge import bridge_argv, bridge_log

GATEWAY, CLIENTS = IPv4Address("192.168.64.1"), IPv4Network("192.168.64.0/24")


def service(**changes: Any) -> Service:
    values = {"name": "vaultwarden", "port": 18443, "target": "vault.lan:443", "kind": "tls"}
    return Service.model_validate(values | changes)


def test_a_bridge_listens_on_the_gateway_for_the_guest_only() -> None:
    assert bridge_argv(service(), GATEWAY, CLIENTS) == (
        "/opt/homebrew/bin/socat",
        "-d",
        "-d",
        "-lf",
        "/var/log/clawkeep/bridge-vaultwarden.log",
        "-lpbridge-vaultwarden",
        "-T",
        "3600",
        (
            "TCP4-LISTEN:18443,bind=192.168.64.1,reuseaddr,fork,forever,interval=5,"
            "max-children=64,range=192.168.64.0/24,keepalive"
        ),
        "TCP4:vault.lan:443,connect-timeout=10,keepalive",
    )


def test_silent_ssh_sessions_are_never_closed() -> None:
    assert "-T" not in bridge_argv(service(kind="ssh"), GATEWAY, CLIENTS)


def test_declared_limits_are_those_of_the_bridge() -> None:
    argv = bridge_argv(
        service(max_connections=3, idle_timeout_s=90), GATEWAY, IPv4Network("192.168.64.2/32")
    )
    assert argv[6:8] == ("-T", "90")
    assert ",max-children=3,range=192.168.64.2/32," in argv[8]


def test_socat_and_its_log_lie_where_told() -> None:
    argv = bridge_argv(service(), GATEWAY, CLIENTS, socat="/usr/bin/socat", log_dir="/tmp/x")
    assert argv[0] == "/usr/bin/socat"
    assert argv[4] == "/tmp/x/bridge-vaultwarden.log" == bridge_log(service(), "/tmp/x")
