"""vmnet's bridge and the guests' ports on it.

The bridge, with the gateway's address, exists only while a guest runs. Ports are isolated from one
another. Source: reference/macos.md §1.4; reference/tart.md §2.1, §3.1.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterable

from .dnsproxy import DnsProxy
from .subnet import Subnet

_IP = "/System/Lab/linux/sbin/ip"
_FORWARDING = "/proc/sys/net/ipv4/ip_forward"
_NSENTER = "/System/Lab/linux/bin/nsenter"


def ip(*commands: str, pid: int | None = None) -> None:
    """Run iproute2 commands in order, in the network of process `pid` or in ours.

    Raises RuntimeError with iproute2's own words.
    """
    enter = [_NSENTER, f"--net=/proc/{pid}/ns/net"] if pid else []
    run = subprocess.run(
        [*enter, _IP, "-batch", "-"],
        input="\n".join(commands) + "\n",
        text=True,
        capture_output=True,
        check=False,
    )
    if run.returncode != 0:
        raise RuntimeError(f"ip {commands}: {run.stderr.strip()}")


def free_port_name(taken: Iterable[str]) -> str:
    """Return the first vmenetN that no interface has."""
    names = set(taken)
    return next(f"vmenet{n}" for n in range(1000) if f"vmenet{n}" not in names)


class Bridge:
    """One of vmnet's networks, with the ports on it. Not safe for threads: the caller locks."""

    def __init__(self, subnet: Subnet) -> None:
        self.subnet = subnet
        self.ports: set[str] = set()
        self._dns: DnsProxy | None = None
        self._forwarded_before = "0"

    def add_port(self, guest_pid: int) -> str:
        """Give the network of process `guest_pid` an unplugged port; return its host-side name."""
        if not self.ports:
            self._up()
        port = free_port_name(os.listdir("/sys/class/net"))
        inside = f"guest{guest_pid}"
        ip(
            f"link add {port} type veth peer name {inside}",
            f"link set {inside} netns {guest_pid}",
            f"link set {port} master {self.subnet.bridge}",
        )
        self.ports.add(port)
        return port

    def configure_guest(self, guest_pid: int, mac: str, address: str) -> None:
        """Name the guest's end en0 and set what its DHCP client would have."""
        length = self.subnet.gateway.network.prefixlen
        ip(
            "link set lo up",
            f"link set guest{guest_pid} name en0",
            f"link set en0 address {mac} up",
            f"addr add {address}/{length} brd + dev en0",
            f"route add default via {self.subnet.gateway.ip}",
            pid=guest_pid,
        )

    def plug(self, port: str, *, isolated: bool) -> None:
        """Let frames through."""
        ip(f"link set {port} up")
        switch = "on" if isolated else "off"
        bridge = "/System/Lab/linux/sbin/bridge"
        subprocess.run([bridge, "link", "set", "dev", port, "isolated", switch], check=True)

    def unplug(self, port: str) -> None:
        """Let no frame through."""
        with contextlib.suppress(RuntimeError):
            ip(f"link set {port} down")

    def remove_port(self, port: str) -> None:
        """Take a port away, and the bridge with the last one."""
        with contextlib.suppress(RuntimeError):
            ip(f"link del {port}")
        self.ports.discard(port)
        if not self.ports:
            self._down()

    def _up(self) -> None:
        name, gateway = self.subnet.bridge, self.subnet.gateway
        ip(
            f"link add {name} type bridge stp_state 0 forward_delay 0",
            f"addr add {gateway} brd + dev {name}",
            f"link set {name} up",
        )
        self._dns = DnsProxy(str(gateway.ip))
        self._dns.start()
        if self.subnet.egress_if:
            self._forwarded_before = forward("1")
            _share(name, str(gateway.network), self.subnet.egress_if)

    def _down(self) -> None:
        if self._dns:
            self._dns.stop()
            self._dns = None
        if self.subnet.egress_if:
            unshare(self.subnet.bridge)
            forward(self._forwarded_before)
        with contextlib.suppress(RuntimeError):
            ip(f"link del {self.subnet.bridge}")


def forward(value: str) -> str:
    """Set net.inet.ip.forwarding, as sharing does while it lasts; return what it was."""
    try:
        with open(_FORWARDING, encoding="ascii") as file:
            before = file.read().strip()
        with open(_FORWARDING, "w", encoding="ascii") as file:
            file.write(value)
    except OSError:
        return "0"
    return before


def _share(bridge: str, subnet: str, egress_if: str) -> None:
    from ..pf.sharing import insert_internet_sharing  # noqa: PLC0415 - slow, and only here

    insert_internet_sharing(bridge, subnet, egress_if)


def unshare(bridge: str) -> None:
    """Take a bridge out of pf's internet sharing."""
    from ..pf.sharing import remove_internet_sharing  # noqa: PLC0415

    remove_internet_sharing(bridge)
