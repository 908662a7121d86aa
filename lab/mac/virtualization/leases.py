r"""The file in which macOS' bootpd keeps its leases, and who gets which address.

Format: blocks of {, then tab-indented key=value lines, then }; hardware addresses without leading
zeros; `lease` is the end of the lease in hexadecimal seconds. A host that comes back gets the
address it had, even when that lease has run out; a new one gets the lowest that is free.
Source: reference/tart.md §1.6, §2.5 (tart's Leases.swift parses it; apple bootp writes it).
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass

LEASES_FILE = "/private/var/db/dhcpd_leases"
DEFAULT_LEASE_S = 86_400
SOFTNET_LEASE_S = 600


class PoolExhaustedError(Exception):
    """All addresses of the subnet are leased."""


@dataclass
class Lease:
    """One lease. `mac` in full (two digits a byte); `ends` in seconds since 1970."""

    mac: str
    address: str
    ends: int
    name: str = ""

    def block(self) -> str:
        """Render the lease as bootpd writes it."""
        short = ":".join(f"{int(byte, 16):x}" for byte in self.mac.split(":"))
        return (
            f"{{\n\tname={self.name}\n\tip_address={self.address}\n\thw_address=1,{short}\n"
            f"\tidentifier=1,{short}\n\tlease={self.ends:#x}\n}}\n"
        )


def parse(text: str) -> list[Lease]:
    """Read the file's text; blocks that lack a field are left out."""
    leases = []
    for block in text.split("}"):
        pairs = (line.strip().split("=", 1) for line in block.splitlines() if "=" in line)
        fields = dict(pairs)
        if not {"ip_address", "hw_address", "lease"} <= fields.keys():
            continue
        mac = full_mac(fields["hw_address"].partition(",")[2])
        ends = int(fields["lease"], 16)
        leases.append(Lease(mac, fields["ip_address"], ends, fields.get("name", "")))
    return leases


def full_mac(mac: str) -> str:
    """Write a hardware address with two lower-case digits a byte."""
    return ":".join(f"{int(byte, 16):02x}" for byte in mac.split(":"))


def grant(
    leases: list[Lease], mac: str, subnet: ipaddress.IPv4Interface, now: int, lease_s: int
) -> Lease:
    """Give `mac` an address until `now + lease_s`; the newest lease comes first in the list.

    `subnet` is the gateway's own address with the mask. Raises PoolExhaustedError.
    """
    own = [one for one in leases if one.mac == mac]
    inside = [one for one in own if ipaddress.ip_address(one.address) in subnet.network]
    address = inside[0].address if inside else _lowest_free(leases, subnet, now)
    for stale in [one for one in leases if one.mac == mac or one.address == address]:
        leases.remove(stale)
    lease = Lease(mac, address, now + lease_s)
    leases.insert(0, lease)
    return lease


def _lowest_free(leases: list[Lease], subnet: ipaddress.IPv4Interface, now: int) -> str:
    taken = {one.address for one in leases if one.ends > now} | {str(subnet.ip)}
    for address in subnet.network.hosts():
        if str(address) not in taken:
            return str(address)
    raise PoolExhaustedError(str(subnet.network))


class LeaseFile:
    """The file itself, replaced as a whole at each change."""

    def __init__(self, path: str = LEASES_FILE) -> None:
        self.path = path

    def read(self) -> list[Lease]:
        """Return the leases; none when there is no file."""
        try:
            with open(self.path, encoding="utf-8") as file:
                return parse(file.read())
        except FileNotFoundError:
            return []

    def write(self, leases: list[Lease]) -> None:
        """Replace the file."""
        with open(f"{self.path}.new", "w", encoding="utf-8") as file:
            file.writelines(lease.block() for lease in leases)
        os.chmod(f"{self.path}.new", 0o644)
        os.replace(f"{self.path}.new", self.path)
