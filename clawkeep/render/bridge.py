"""The socat command of one door's bridge. Standard library only: the host renders it."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import PurePosixPath

from clawkeep.link import Link
from clawkeep.policy import Door
from clawkeep.traffic.formats import SOCAT_LOGGING

SOCAT = "/opt/homebrew/bin/socat"
LOG_DIR = "/var/log/clawkeep"
BIND_RETRY_S = 5
CONNECT_TIMEOUT_S = 10

BUFFER = 65536
"""Bytes per copy: four times the throughput of socat's default of 8192 (bench/bridges.py)."""


def bridge_log(name: str, log_dir: str = LOG_DIR) -> str:
    """Return the path of the file in which a door's bridge notes each connection."""
    return str(PurePosixPath(log_dir) / f"bridge-{name}.log")


def process_mark(name: str) -> str:
    """Return the word by which every process of a door's socat is known in `ps`."""
    return f"-lpbridge-{name}"


def bridge_argv(
    door: Door, link: Link, target: IPv4Address, *, socat: str = SOCAT, log_dir: str = LOG_DIR
) -> tuple[str, ...]:
    """Return the argv of a door's bridge: listening on the gateway, for the guest alone.

    `target` is the address that the door's target has now. socat is never given a name: it would
    resolve it at each connection, where nobody checks what comes back. `range=` is the guest's
    own address, as in the anchor; both are rendered anew when the link changes.
    `forever,interval` makes socat wait for the gateway's address, which exists only while a guest
    runs. Source: reference/macos.md §3.
    """
    idle = ("-T", str(door.idle_s)) if door.idle_s else ()
    listen = (
        f"TCP4-LISTEN:{door.port},bind={link.gateway},reuseaddr,fork,forever,"
        f"interval={BIND_RETRY_S},max-children={door.max_connections},range={link.guest}/32,"
        "keepalive"
    )
    connect = f"TCP4:{target}:{door.target_port},connect-timeout={CONNECT_TIMEOUT_S},keepalive"
    log = ("-lf", bridge_log(door.name, log_dir), process_mark(door.name))
    return (socat, *SOCAT_LOGGING, "-b", str(BUFFER), *log, *idle, listen, connect)
