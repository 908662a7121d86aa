"""What the parser asks of the machine: interface addresses, host names, users, files.

Source: reference/macos.md §1.1 (host and interface names are resolved once, at load).
"""

from __future__ import annotations

import grp
import ipaddress
import json
import os
import pwd
import socket
import subprocess
from dataclasses import dataclass

_IP = ("/System/Lab/linux/sbin/ip", "/usr/sbin/ip", "/sbin/ip")
LOOPBACK = "lo0"


@dataclass
class InterfaceAddress:
    """One address of an interface. `broadcast` and `peer` are "" where there is none."""

    af: str
    address: str
    bits: int
    broadcast: str = ""
    peer: str = ""


def linux_interface(name: str) -> str:
    """Name that the namespace's kernel uses for a Mac's interface: only the loopback differs."""
    return "lo" if name == LOOPBACK else name


class Environment:
    """The machine pfctl runs on. Tests give the parser another one."""

    def interface(self, name: str) -> list[InterfaceAddress] | None:
        """Addresses of an interface; None when there is no such interface."""
        if not os.path.exists(f"/sys/class/net/{linux_interface(name)}") and not _in_proc(name):
            return None
        program = next((path for path in _IP if os.path.exists(path)), "ip")
        run = subprocess.run(
            [program, "-j", "addr", "show", "dev", linux_interface(name)],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            return None
        return [
            InterfaceAddress(
                one["family"],
                one["local"],
                int(one["prefixlen"]),
                one.get("broadcast", ""),
                one.get("address", ""),
            )
            for link in json.loads(run.stdout or "[]")
            for one in link.get("addr_info", [])
        ]

    def interfaces(self) -> list[str]:
        """Names of all interfaces."""
        return [LOOPBACK if name == "lo" else name for name in _names()]

    def resolve(self, name: str) -> list[tuple[str, str]]:
        """(family, address) pairs of a host name; empty when it has none."""
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            return []
        families = {socket.AF_INET: "inet", socket.AF_INET6: "inet6"}
        pairs: list[tuple[str, str]] = []
        for family, _, _, _, address in found:
            pair = (families.get(family, ""), str(address[0]))
            if pair[0] and pair not in pairs:
                pairs.append(pair)
        return pairs

    def user(self, name: str) -> int | None:
        """Uid of a user name, or None. `nobody` is -2, as on every Mac."""
        if name == "nobody":
            return 4294967294
        try:
            return pwd.getpwnam(name).pw_uid
        except (KeyError, ValueError):
            return None

    def group(self, name: str) -> int | None:
        """Gid of a group name, or None."""
        try:
            return grp.getgrnam(name).gr_gid
        except (KeyError, ValueError):
            return None

    def read_text(self, path: str) -> str:
        """Text of a file, bytes kept one to one. Raises OSError; a folder reads as empty."""
        if os.path.isdir(path):
            return ""
        with open(path, encoding="latin-1", newline="") as file:
            return file.read()


def _in_proc(name: str) -> bool:
    return linux_interface(name) in _names()


def _names() -> list[str]:
    # Unlike /sys, /proc is always that of the own namespace.
    try:
        with open("/proc/net/dev", encoding="ascii", errors="replace") as file:
            return [line.split(":")[0].strip() for line in file if ":" in line]
    except OSError:
        return []


def network_of(address: str, bits: int) -> str:
    """Network address of `address`/`bits`, as text."""
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False).network_address)
