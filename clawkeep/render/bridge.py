"""The socat command of one service's bridge."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

from clawkeep.model import Service

SOCAT = "/opt/homebrew/bin/socat"
LOG_DIR = "/var/log/clawkeep"
BIND_RETRY_S = 5
CONNECT_TIMEOUT_S = 10


def bridge_log(service: Service, log_dir: str = LOG_DIR) -> str:
    """Return the path of the file in which a bridge notes each connection."""
    return str(PurePosixPath(log_dir) / f"bridge-{service.name}.log")


def bridge_argv(
    service: Service,
    gateway: IPv4Address,
    clients: IPv4Network,
    *,
    socat: str = SOCAT,
    log_dir: str = LOG_DIR,
) -> tuple[str, ...]:
    """Return the argv of a service's bridge: listening on the gateway, for `clients` only.

    `forever,interval` makes socat wait for the gateway's address, which exists only while a guest
    runs. A target's name is resolved anew for each connection, by the host.
    Source: reference/macos.md §3.
    """
    idle = ("-T", str(service.idle_s)) if service.idle_s else ()
    listen = (
        f"TCP4-LISTEN:{service.port},bind={gateway},reuseaddr,fork,forever,interval={BIND_RETRY_S},"
        f"max-children={service.max_connections},range={clients},keepalive"
    )
    connect = f"TCP4:{service.target},connect-timeout={CONNECT_TIMEOUT_S},keepalive"
    log = ("-lf", bridge_log(service, log_dir), f"-lpbridge-{service.name}")
    return (socat, "-d", "-d", *log, *idle, listen, connect)
