"""route, netstat, arp, ipconfig: BSD's words about routes, sockets and neighbours.

Source: network_cmds-705.100.5 route.c, arp.c; reference/macos.md §9.
"""

import ipaddress
import os
import socket
from collections.abc import Iterator
from typing import Any

from ..calls import record
from . import links
from .console import complain, is_root

COLUMNS = (
    " recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire\n"
    "       0         0         0         0         0         0      1500         0 "
)
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


def main(argv: list[str]) -> int:
    """Run the command that argv[0] names."""
    words = argv[1:]
    name = os.path.basename(argv[0])
    changing = bool({"add", "delete", "change", "flush", "-d", "-s", "set"} & set(words))
    record(argv, mutates=name in {"route", "arp", "ipconfig"} and changing)
    return {"route": route, "netstat": netstat, "arp": arp, "ipconfig": ipconfig}[name](words)


def route(words: list[str]) -> int:
    """`route [-n] get|add|delete …`."""
    words = [word for word in words if word not in {"-n", "-q", "-v", "-t"}]
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb == "get":
        return route_get([word for word in rest if not word.startswith("-")])
    if verb in {"add", "delete", "change"}:
        return route_change(verb, rest)
    complain("usage: route [-dnqtv] command [[modifiers] args]")
    return 64


def route_get(words: list[str]) -> int:
    """`route get default|ADDRESS|NAME`."""
    wanted = words[0] if words else "default"
    if wanted == "default":
        found = links.default_route()
        rows = [{**found, "flags": "UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL"}] if found else []
    else:
        try:
            address = socket.gethostbyname(wanted)
        except OSError:
            complain(f"route: bad address: {wanted}")
            return 68
        rows = [
            {
                "dev": links.mac_name(row["dev"]),
                "gateway": row.get("gateway", ""),
                "flags": "UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL"
                if row.get("gateway")
                else "UP,HOST,DONE,LLINFO,WASCLONED,IFSCOPE,IFREF",
            }
            for row in links.ip("route", "get", address)
        ]
    if not rows:
        complain("route: writing to routing socket: not in table")
        return 1
    row = rows[0]
    by_gateway = bool(row["gateway"])
    print(f"   route to: {wanted}\ndestination: {'default' if by_gateway else wanted}")
    if by_gateway:
        print(f"       mask: default\n    gateway: {row['gateway']}")
    print(f"  interface: {row['dev']}\n      flags: <{row['flags']}>\n{COLUMNS}")
    return 0


def route_change(verb: str, words: list[str]) -> int:
    """`route add|delete [-net|-host] DESTINATION [-netmask M] GATEWAY|-interface IF`."""
    if not is_root():
        complain("route: must be root to alter routing table")
        return 77
    kind = "net" if "-net" in words else "host"
    plain = [word for word in words if word not in {"-net", "-host", "-inet"}]
    mask = None
    if "-netmask" in plain:
        position = plain.index("-netmask")
        mask = plain[position + 1]
        del plain[position : position + 2]
    device = None
    if "-interface" in plain:
        position = plain.index("-interface")
        device = plain[position + 1]
        del plain[position : position + 2]
    destination, gateway = plain[0], plain[1] if len(plain) > 1 else ""
    network = destination if mask is None else f"{destination}/{mask}"
    if network != "default":
        network = str(ipaddress.ip_network(network, strict=False))
    hop = ["dev", links.linux_name(device)] if device else ["via", gateway] if gateway else []
    complaint = links.change(
        "route", {"add": "add", "delete": "del"}.get(verb, "replace"), network, *hop
    )
    result = f"{verb} {kind} {destination}" + (f": gateway {gateway}" if gateway else "")
    if complaint:
        reason = "File exists" if "exists" in complaint else "not in table"
        complain(f"route: writing to routing socket: {reason}")
        print(f"{result}: {reason}")
        return 1
    print(result)
    return 0


def netstat(words: list[str]) -> int:
    """`netstat -rn`, `netstat -an[v] [-p tcp|udp]`; other tables are not there."""
    letters = "".join(word[1:] for word in words if word.startswith("-"))
    if "r" in letters:
        print("Routing tables\n\nInternet:")
        print(f"{'Destination':<18} {'Gateway':<18} {'Flags':<13} {'Netif':>6} Expire")
        for row in links.ip("-4", "route"):
            gateway = row.get("gateway", f"link#{_index(row['dev'])}")
            marks = "UGScg" if row["dst"] == "default" else "UGSc" if "gateway" in row else "UCS"
            device = links.mac_name(row["dev"])
            print(f"{row['dst']:<18} {gateway:<18} {marks:<13} {device:>6}       ")
        return 0
    only = words[words.index("-p") + 1] if "-p" in words[:-1] else ""
    print("Active Internet connections" + (" (including servers)" if "a" in letters else ""))
    print(f"Proto Recv-Q Send-Q  {'Local Address':<22} {'Foreign Address':<22} (state)")
    for protocol in ("tcp", "udp"):
        if only and only != protocol:
            continue
        for line, state in sockets(protocol):
            if "a" in letters or state not in {"LISTEN", ""}:
                print(line)
    return 0


def _index(device: str) -> int:
    return next((int(r["ifindex"]) for r in links.interfaces() if r["ifname"] == device), 0)


def sockets(protocol: str) -> Iterator[tuple[str, str]]:
    """Yield the line and the state of each socket of this network namespace."""
    for suffix in ("", "6"):
        try:
            with open(f"/proc/net/{protocol}{suffix}", encoding="ascii") as table:
                rows = table.read().splitlines()[1:]
        except OSError:
            continue
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


def arp(words: list[str]) -> int:
    """`arp -an`, `arp -n HOST`, `arp -d HOST`."""
    if "-d" in words:
        return 0 if is_root() else 1
    wanted = next((word for word in words if not word.startswith("-")), None)
    shown = 0
    for row in links.ip("-4", "neigh"):
        if wanted in {None, row["dst"]}:
            print(arp_line(row))
            shown += 1
    if wanted and not shown:
        print(f"{wanted} ({wanted}) -- no entry")
        return 1
    return 0


def arp_line(row: dict[str, Any]) -> str:
    """Return one entry; bytes of the address have no leading zeros, as ether_ntoa prints them."""
    name = links.mac_name(row["dev"])
    octets = row.get("lladdr")
    at = ":".join(f"{int(o, 16):x}" for o in octets.split(":")) if octets else "(incomplete)"
    kind = "[bridge]" if name.startswith("bridge") else "[ethernet]"
    return f"? ({row['dst']}) at {at} on {name} ifscope {kind}"


def ipconfig(words: list[str]) -> int:
    """`ipconfig getifaddr IF`, `getoption IF router|domain_name_server`, `ifcount`, `waitall`."""
    match words:
        case ["getifaddr", name]:
            address = links.address_of(name)
            if address is None:
                return 1
            print(address)
        case ["getoption", name, "router"]:
            found = links.default_route()
            if found is None or found["dev"] != name:
                return 1
            print(found["gateway"])
        case ["getoption", _, "domain_name_server"]:
            print(" ".join(links.name_servers()))
        case ["ifcount"]:
            print(sum(1 for row in links.interfaces() if row["ifname"] != "lo"))
        case ["waitall"] | ["set", *_]:
            return 0
        case _:
            complain("usage: ipconfig <command> <args>")
            return 1
    return 0
