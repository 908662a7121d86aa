"""The wires of a lab: three network namespaces and two cables, all without the machine's own.

    internet ──198.51.100.0/30── lan ──10.0.10.0/24── host

Interfaces live and die with their namespaces; nothing has a name outside.
"""

import contextlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

from . import addresses

UPLINK, FAR_END = "198.51.100.1", "198.51.100.2"
PRIVATE_RANGES = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
HOST_MAC = "0e:c1:a3:00:00:02"


class WiringError(Exception):
    """`ip` refused; the message is its own."""


def wire(host: int, internet: int, sites: Iterable[str]) -> None:
    """Connect the namespaces of these two processes to the caller's, which is the LAN's.

    `sites` are the addresses of the internet's servers. Raises `WiringError`.
    """
    _enable_forwarding()
    _batch(_lan(host, internet))
    _batch(_internet(sites), inside=internet)
    _batch(_host(), inside=host)


def plug_in(host: int) -> None:
    """Connect the namespace of a host that boots again, as its cable was never pulled.

    The old cable goes with the old namespace, but only when the kernel gets to it.
    Raises `WiringError`.
    """
    with contextlib.suppress(WiringError):
        _batch(["link del lan0"])
    _batch(_cable(host))
    _batch(_host(), inside=host)


def _cable(host: int) -> list[str]:
    return [
        f"link add lan0 type veth peer name en0 address {HOST_MAC} netns {host}",
        f"addr add {addresses.ROUTER}/24 dev lan0",
        "link set lan0 up",
    ]


def _lan(host: int, internet: int) -> list[str]:
    return [
        "link set lo up",
        *_cable(host),
        f"link add wan0 type veth peer name eth0 netns {internet}",
        f"addr add {UPLINK}/30 dev wan0",
        *(f"addr add {address}/32 dev lo" for address in addresses.LAN_ADDRESSES),
        "link set wan0 up",
        *(f"route add unreachable {network}" for network in PRIVATE_RANGES),
        f"route add default via {FAR_END}",
    ]


def _internet(sites: Iterable[str]) -> list[str]:
    return [
        "link set lo up",
        f"addr add {FAR_END}/30 dev eth0",
        *(f"addr add {address}/32 dev lo" for address in sites),
        "link set eth0 up",
        f"route add default via {UPLINK}",
    ]


def _host() -> list[str]:
    return [
        "link set lo up",
        f"addr add {addresses.HOST}/24 dev en0",
        "link set en0 up",
        f"route add default via {addresses.ROUTER}",
    ]


def _batch(lines: list[str], inside: int | None = None) -> None:
    enter = ["nsenter", f"--net=/proc/{inside}/ns/net"] if inside else []
    done = subprocess.run(
        [*enter, "ip", "-batch", "-"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WiringError(f"ip -batch: {done.stderr.strip()}")


def _enable_forwarding() -> None:
    """Let this namespace route; /proc/sys/net is the reader's own namespace's."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
