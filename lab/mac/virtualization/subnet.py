"""Which subnet and bridge vmnet uses: the machine's, unless com.apple.vmnet.plist says otherwise.

Source: reference/tart.md §2.5 (Shared_Net_Address/Mask; bootpd's DHCPLeaseTimeSecs).
"""

from __future__ import annotations

import ipaddress
import json
import plistlib
from dataclasses import dataclass
from typing import Any

from .leases import DEFAULT_LEASE_S

PREFERENCES = "/Library/Preferences/SystemConfiguration"
VMNET_FILE = f"{PREFERENCES}/com.apple.vmnet.plist"
SHARING_FILE = f"{PREFERENCES}/com.apple.InternetSharing.default.plist"
MACHINE_FILE = "/System/Lab/machine.json"
HOST_ONLY = ipaddress.IPv4Interface("192.168.128.1/24")


@dataclass(frozen=True)
class Subnet:
    """One of vmnet's networks: its bridge, and the gateway's own address with the mask."""

    bridge: str
    gateway: ipaddress.IPv4Interface
    egress_if: str | None  # None: nothing is shared (host-only)


def _plist(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return dict(plistlib.load(file))
    except (OSError, plistlib.InvalidFileException):
        return {}


def shared() -> Subnet:
    """Return the network of `vmnet` in shared mode."""
    with open(MACHINE_FILE, encoding="utf-8") as file:
        net = json.load(file)["net"]
    chosen = _plist(VMNET_FILE)
    address = chosen.get("Shared_Net_Address", net["gateway"])
    mask = chosen.get("Shared_Net_Mask", net["mask"])
    gateway = ipaddress.IPv4Interface(f"{address}/{mask}")
    return Subnet(net["bridge"], gateway, net["egress_if"])


def host_only() -> Subnet:
    """Return the network of `vmnet` in host mode: the next bridge, no way out."""
    number = int(shared().bridge.removeprefix("bridge")) + 1
    return Subnet(f"bridge{number}", HOST_ONLY, None)


def lease_s() -> int:
    """Return how long bootpd leases, in seconds."""
    bootpd = _plist(SHARING_FILE).get("bootpd", {})
    return int(bootpd.get("DHCPLeaseTimeSecs", DEFAULT_LEASE_S))


def set_lease_s(seconds: int) -> None:
    """Do what softnet does at each start: replace the whole `bootpd` dictionary."""
    content = _plist(SHARING_FILE) | {"bootpd": {"DHCPLeaseTimeSecs": seconds}}
    with open(SHARING_FILE, "wb") as file:
        plistlib.dump(content, file)
