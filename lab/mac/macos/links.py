"""The machine's interfaces and routes, asked of iproute2, under the names that a Mac gives them."""

import json
import subprocess
from typing import Any

from . import paths

IP = "/System/Lab/linux/bin/ip"
MAC_NAME = {"lo": "lo0"}
LINUX_NAME = {"lo0": "lo"}
# Namespaces come with these; a Mac has nothing like them.
HIDDEN = ("sit", "tunl", "gre", "erspan", "ip6", "ip_vti", "gretap", "docker")


def ip(*words: str) -> list[dict[str, Any]]:
    """Return what `ip -j …` answers; an empty list when it fails or says nothing."""
    done = subprocess.run([IP, "-j", *words], capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        return []
    return [row for row in json.loads(done.stdout) if row]


def change(*words: str) -> str:
    """Run `ip …` that changes something; return its complaint, empty when all is well."""
    done = subprocess.run([IP, *words], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


def mac_name(name: str) -> str:
    """Return the Mac's name of a Linux interface."""
    return MAC_NAME.get(name, name)


def linux_name(name: str) -> str:
    """Return the Linux name of a Mac's interface."""
    return LINUX_NAME.get(name, name)


def interfaces() -> list[dict[str, Any]]:
    """Return the interfaces with their addresses, in the order of their index."""
    rows = [row for row in ip("-d", "addr") if not row["ifname"].startswith(HIDDEN)]
    return sorted(rows, key=lambda row: int(row["ifindex"]))


def address_of(name: str) -> str | None:
    """Return the first IPv4 address of an interface."""
    for row in interfaces():
        if mac_name(row["ifname"]) == name:
            for info in row["addr_info"]:
                if info["family"] == "inet":
                    return str(info["local"])
    return None


def default_route() -> dict[str, str] | None:
    """Return `dev` and `gateway` of the IPv4 default route."""
    for row in ip("-4", "route"):
        if row["dst"] == "default":
            return {"dev": mac_name(row["dev"]), "gateway": row.get("gateway", "")}
    return None


def name_servers() -> list[str]:
    """Return the name servers of /etc/resolv.conf."""
    try:
        lines = paths.at("/private/etc/resolv.conf").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [line.split()[1] for line in lines if line.startswith("nameserver ")]
