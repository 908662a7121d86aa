"""arp and ndp: which hardware address the machine believes to be whose.

Source: network_cmds-705.100.5 arp.c, ndp.c.
"""

import os
from typing import Any

from ..calls import record
from . import links
from .console import complain, is_root

USAGE = {
    "arp": "usage: arp [-n] [-i interface] hostname\n       arp -d hostname [pub]\n"
    "       arp -s hostname ether_addr [temp]",
    "ndp": "usage: ndp [-nt] hostname\n       ndp [-nt] -a | -c | -p | -r\n"
    "       ndp [-nt] -d hostname\n       ndp [-nt] -s hostname ether_addr [temp]",
}


def main(argv: list[str]) -> int:
    """Run the command that argv[0] names."""
    name = os.path.basename(argv[0])
    letters = "".join(word[1:] for word in argv[1:] if word.startswith("-"))
    words = [word for word in argv[1:] if not word.startswith("-")]
    changing = bool(set("dsc" if name == "ndp" else "ds") & set(letters))
    record(argv, mutates=changing)
    if changing and not is_root():
        complain(f"{name}: writing to routing socket: Operation not permitted")
        return 1
    if "s" in letters and len(words) >= 2:
        return _set(name, words[0], words[1])
    if "d" in letters and words:
        return _delete(name, words[0])
    if name == "ndp" and "c" in letters:
        links.change("-6", "neigh", "flush", "all")
        return 0
    if not words and "a" not in letters:
        complain(USAGE[name])
        return 1
    return _show(name, words[0] if words and "a" not in letters else None)


def _set(name: str, host: str, hardware: str) -> int:
    """Write an entry that stays, on the interface that leads to the host."""
    address, _, zone = host.partition("%")
    found = links.ip("route", "get", address) if not zone else [{"dev": links.linux_name(zone)}]
    complaint = "no route" if not found else links.change(
        "neigh", "replace", address, "lladdr", hardware, "nud", "permanent", "dev", found[0]["dev"]
    )  # fmt: skip
    if complaint:
        complain(f"{name}: cannot intuit interface index and type for {host}")
    return 1 if complaint else 0


def _delete(name: str, host: str) -> int:
    address = host.partition("%")[0]
    rows = [row for row in links.ip("neigh") if row["dst"] == address]
    if not rows:
        complain(f"{name}: cannot locate {host}")
        return 1
    complaint = links.change("neigh", "del", address, "dev", rows[0]["dev"])
    if not complaint:
        print(f"{host} ({host}) deleted")
    return 1 if complaint else 0


def _show(name: str, wanted: str | None) -> int:
    if name == "ndp":
        heading = (
            f"{'Neighbor':<39} {'Linklayer Address':<18} {'Netif':>8} {'Expire':<9} St Flgs Prbs"
        )
        print(heading)
    shown = 0
    for row in links.ip("-6" if name == "ndp" else "-4", "neigh"):
        if wanted in {None, row["dst"]}:
            print(ndp_line(row) if name == "ndp" else arp_line(row))
            shown += 1
    if wanted and not shown:
        print(f"{wanted} ({wanted}) -- no entry")
        return 1
    return 0


def arp_line(row: dict[str, Any]) -> str:
    """Return one entry; bytes of the address have no leading zeros, as ether_ntoa prints them."""
    name = links.mac_name(row["dev"])
    permanent = " permanent" if "PERMANENT" in row.get("state", []) else ""
    kind = "[bridge]" if name.startswith("bridge") else "[ethernet]"
    return f"? ({row['dst']}) at {_hardware(row)} on {name} ifscope{permanent} {kind}"


def ndp_line(row: dict[str, Any]) -> str:
    """Return one entry of IPv6."""
    name = links.mac_name(row["dev"])
    zone = f"%{name}" if row["dst"].startswith("fe80:") else ""
    return f"{row['dst'] + zone:<39} {_hardware(row):<18} {name:>8} {'permanent':<9} R"


def _hardware(row: dict[str, Any]) -> str:
    octets = row.get("lladdr")
    return ":".join(f"{int(o, 16):x}" for o in octets.split(":")) if octets else "(incomplete)"
