"""TCP sockets without Nagle's algorithm.

paramiko leaves Nagle on, which costs a delayed ACK (41 ms) per remote command; neither pyinfra
nor paramiko ever turns it off. Source: reference/pyinfra.md §6.
"""

from __future__ import annotations

import logging
import socket
from typing import Any

import paramiko

# While a guest boots, refused dials are expected; paramiko prints a traceback for each, and what
# matters reaches the caller as an exception anyway.
logging.getLogger("paramiko.transport").setLevel(logging.CRITICAL)


def set_nodelay(sock: object) -> None:
    """Set TCP_NODELAY when `sock` is a TCP socket; a channel through another host has none."""
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def nodelay_transport(sock: Any, **options: Any) -> paramiko.Transport:
    """Make a paramiko transport on `sock`, with TCP_NODELAY and keepalives of 15 s.

    To be given as `ssh_paramiko_connect_kwargs={"transport_factory": nodelay_transport}`.
    """
    set_nodelay(sock)
    transport = paramiko.Transport(sock, **options)
    transport.set_keepalive(15)
    return transport


#: Host data for every host that pyinfra's own `@ssh` connector dials.
SSH_DEFAULTS: dict[str, Any] = {"transport_factory": nodelay_transport}
