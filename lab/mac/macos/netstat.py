"""netstat: routes, sockets, and what each interface has counted.

Source: network_cmds-705.100.5 netstat.tproj (if.c for the columns, route.c, inet.c).
"""

import getopt
import ipaddress
import os
import sys
from collections.abc import Iterator
from typing import Any

from ..calls import record
from . import links
from .console import complain

STATES = {
    "01": "ESTABLISHED",
    "02": "SYN_SENT",
    "03": "SYN_RCVD",
    "04": "FIN_WAIT_1",
    "05": "FIN_WAIT_2",
    "06": "TIME_WAIT",
    "07": "CLOSED",
    "08": "CLOSE_WAIT",
    "09": "LAST_ACK",
    "0A": "LISTEN",
    "0B": "CLOSING",
}
OPTIONS = "AaBbc:CdF:f:gI:ikLlmnP:p:qQrRsStuvWw:xz"
COUNTERS = ("rx_packets", "rx_errors", "rx_bytes", "tx_packets", "tx_errors", "tx_bytes")
STATISTICS = "/sys/class/net/{}/statistics/{}"


def main(argv: list[str]) -> int:
    """Run `netstat`: -i and -I the interfaces, -r the routes, else the sockets."""
    record(argv, mutates=False)
    try:
        pairs, _ = getopt.getopt(argv[1:], OPTIONS)
    except getopt.GetoptError as problem:
        complain(f"netstat: illegal option -- {problem.opt}")
        return 1
    options = {flag[1:]: value for flag, value in pairs}
    if "I" in options or "i" in options:
        show_interfaces(options.get("I"), in_bytes="b" in options)
    elif "r" in options:
        show_routes(options.get("f", ""))
    else:
        show_sockets(options.get("p", ""), with_servers="a" in options)
    return 0


def show_interfaces(only: str | None, *, in_bytes: bool) -> None:
    """Print the counters of one interface or of all; an unknown one leaves the heading alone."""
    print(heading(in_bytes=in_bytes))
    for row in links.interfaces():
        if only in {None, links.mac_name(row["ifname"])}:
            print("\n".join(lines_of(row, counted(row["ifname"]), in_bytes=in_bytes)))


def heading(*, in_bytes: bool) -> str:
    """Return the line above the counters."""
    words = ("Ipkts", "Ierrs", "Ibytes", "Opkts", "Oerrs", "Obytes", "Coll")
    first = f"{'Name':<10} {'Mtu':<5} {'Network':<13} {'Address':<15}"
    return first + _columns(words, in_bytes=in_bytes)


def lines_of(row: dict[str, Any], counts: dict[str, int], *, in_bytes: bool) -> list[str]:
    """Return an interface's line, and one for each of its addresses."""
    name = links.mac_name(row["ifname"]) + ("" if "UP" in row["flags"] else "*")
    mtu = 16384 if name == "lo0" else row["mtu"]
    start = f"{name:<10} {mtu:<5} "
    hardware = "" if name == "lo0" else row.get("address", "")
    values = [str(counts[key]) for key in COUNTERS]
    link = f"{start}{'<Link#' + str(row['ifindex']) + '>':<11} {hardware}"
    found = [f"{link:<46}"[: max(46, len(link))] + _columns((*values, "0"), in_bytes=in_bytes)]
    values[1] = values[4] = "-"
    for info in row["addr_info"]:
        network, address = _network(info, int(row["ifindex"]))
        text = f"{start}{network:<13.13} {address:<15}"
        found.append(text + _columns((*values, "-"), in_bytes=in_bytes))
    return found


def counted(device: str) -> dict[str, int]:
    """Return what the kernel has counted on an interface."""
    found = {}
    for key in COUNTERS:
        with open(STATISTICS.format(device, key), encoding="ascii") as file:
            found[key] = int(file.read())
    return found


def _columns(words: tuple[str, ...], *, in_bytes: bool) -> str:
    ipkts, ierrs, ibytes, opkts, oerrs, obytes, coll = words
    into, out = (f" {ibytes:>10}", f" {obytes:>10}") if in_bytes else ("", "")
    return f" {ipkts:>8} {ierrs:>5}{into} {opkts:>8} {oerrs:>5}{out} {coll:>5}"


def _network(info: dict[str, Any], index: int) -> tuple[str, str]:
    """Return what stands under Network and Address: the network's own octets, the address."""
    if info["family"] == "inet6":
        address = str(info["local"])
        if info["scope"] == "link":
            address = address.replace("fe80:", f"fe80:{index:x}:", 1)
        return str(info["local"]), address
    interface = ipaddress.ip_interface(f"{info['local']}/{info['prefixlen']}")
    octets = str(interface.network.network_address).split(".")
    whole, rest = divmod(int(info["prefixlen"]), 8)
    if rest or not whole:
        return str(interface.network), str(interface.ip)
    return ".".join(octets[:whole]), str(interface.ip)


def show_routes(family: str) -> None:
    """Print the routing tables of one address family or of both."""
    print("Routing tables")
    for name, title, flag, width in (
        ("inet", "Internet", "-4", 18),
        ("inet6", "Internet6", "-6", 39),
    ):
        if family in {"", name}:
            print(f"\n{title}:")
            print(
                f"{'Destination':<{width}} {'Gateway':<{width}} {'Flags':<13} {'Netif':>6} Expire"
            )
            for row in links.ip(flag, "route"):
                print(route_line(row, width))


def route_line(row: dict[str, Any], width: int) -> str:
    """Return one route."""
    gateway = row.get("gateway", f"link#{_index(row['dev'])}")
    marks = "UGScg" if row["dst"] == "default" else "UGSc" if "gateway" in row else "UCS"
    device = links.mac_name(row["dev"])
    return f"{row['dst']:<{width}} {gateway:<{width}} {marks:<13} {device:>6}       "


def _index(device: str) -> int:
    return next((int(r["ifindex"]) for r in links.interfaces() if r["ifname"] == device), 0)


def show_sockets(only: str, *, with_servers: bool) -> None:
    """Print the sockets of one protocol or of both; those that listen only if asked."""
    print("Active Internet connections" + (" (including servers)" if with_servers else ""))
    print(f"Proto Recv-Q Send-Q  {'Local Address':<22} {'Foreign Address':<22} (state)")
    for protocol in ("tcp", "udp"):
        if only in {"", protocol}:
            for line, state in sockets(protocol):
                if with_servers or state not in {"LISTEN", ""}:
                    sys.stdout.write(f"{line}\n")


def sockets(protocol: str) -> Iterator[tuple[str, str]]:
    """Yield the line and the state of each socket of this network namespace."""
    for suffix in ("", "6"):
        path = f"/proc/net/{protocol}{suffix}"
        if not os.path.exists(path):
            continue
        with open(path, encoding="ascii") as table:
            rows = table.read().splitlines()[1:]
        for row in rows:
            fields = row.split()
            state = STATES.get(fields[3], "") if protocol == "tcp" else ""
            kind = f"{protocol}{suffix or '4'}"
            local, remote = _end(fields[1]), _end(fields[2])
            yield f"{kind:<5} {0:>6} {0:>6}  {local:<22} {remote:<22} {state:<11}", state


def _end(text: str) -> str:
    """Return `192.168.64.1.18443` (or `*.*`) of the kernel's hexadecimal pair."""
    hexadecimal, port = text.split(":")
    words = [hexadecimal[i : i + 8] for i in range(0, len(hexadecimal), 8)]
    packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
    address = ipaddress.ip_address(packed)
    host = "*" if address.is_unspecified else str(address)
    return f"{host}.{int(port, 16) or '*'}"
