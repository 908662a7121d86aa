"""A vmnet network at work: ports, leases, and Softnet's filter on the ports that have one."""

from __future__ import annotations

import contextlib
import ipaddress
import threading
import time
from dataclasses import dataclass

from ..softnet.filter import Filter, install, remove
from ..softnet.policy import Policy
from .bridge import Bridge
from .leases import Lease, LeaseFile, grant
from .subnet import Subnet, lease_s


@dataclass
class Port:
    """A guest's place on the bridge."""

    name: str
    mac: str
    address: str
    softnet: bool
    plugged: bool = False


class Network:
    """One subnet with its guests. Safe for threads."""

    def __init__(self, subnet: Subnet, leases: LeaseFile | None = None) -> None:
        self.subnet = subnet
        self._bridge = Bridge(subnet)
        self._leases = leases or LeaseFile()
        self._lock = threading.RLock()
        self._ports: list[Port] = []
        self._policies: dict[str, Policy] = {}

    @property
    def idle(self) -> bool:
        """Whether no guest is on it and none is about to be."""
        return not self._ports and not self._policies

    @property
    def gateway(self) -> ipaddress.IPv4Address:
        """The host's own address on the bridge."""
        return self.subnet.gateway.ip

    def connect(self, pid: int, mac: str, *, softnet: bool) -> Port:
        """Give the network namespace of process `pid` a port and a lease.

        Under softnet no frame passes before a `policy` for the MAC is set. Raises RuntimeError,
        PoolExhaustedError.
        """
        with self._lock:
            name = self._bridge.add_port(pid)
            port = Port(name, mac, self._renew(mac).address, softnet)
            self._ports.append(port)
            self._bridge.configure_guest(pid, mac, port.address)
            if not softnet:
                self._plug(port, isolated=True)
            elif mac in self._policies:
                self._enforce(port, self._policies[mac])
            return port

    def disconnect(self, port: Port) -> None:
        """Take a port away; its lease stays, as bootpd knows nothing of it."""
        with self._lock:
            if port in self._ports:
                self._ports.remove(port)
            with contextlib.suppress(RuntimeError):
                remove(port.name)
            self._bridge.remove_port(port.name)

    def set_policy(self, mac: str, policy: Policy | None) -> None:
        """Filter the port of `mac`, now or when it appears; None is softnet's end: no frames."""
        with self._lock:
            if policy is None:
                self._policies.pop(mac, None)
            else:
                self._policies[mac] = policy
            for port in self._ports:
                if port.mac != mac or not port.softnet:
                    continue
                if policy is None:
                    self._bridge.unplug(port.name)
                    port.plugged = False
                else:
                    self._enforce(port, policy)

    def renew_all(self) -> None:
        """Renew what has passed half its time, as each guest's DHCP client does."""
        with self._lock:
            half = lease_s() / 2
            ends = {one.mac: one.ends for one in self._leases.read()}
            for port in self._ports:
                if port.plugged and ends.get(port.mac, 0) - time.time() < half:
                    self._renew(port.mac)

    def _renew(self, mac: str) -> Lease:
        leases = self._leases.read()
        lease = grant(leases, mac, self.subnet.gateway, int(time.time()), lease_s())
        lease.name = lease.name or "Manageds-Virtual-Machine"
        self._leases.write(leases)
        return lease

    def _enforce(self, port: Port, policy: Policy) -> None:
        install(Filter(port.name, port.mac, port.address, str(self.gateway), policy))
        self._plug(port, isolated=policy.isolated)

    def _plug(self, port: Port, *, isolated: bool) -> None:
        self._bridge.plug(port.name, isolated=isolated)
        port.plugged = True
