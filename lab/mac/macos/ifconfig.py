"""ifconfig: BSD's listing of the interfaces, and the few changes that scripts make.

The lines' order and words are those of ifconfig.c, af_inet.c and ifbridge.c of
network_cmds-705.100.5 (macOS 15.4): tabs, `inet … netmask 0xffffff00 broadcast …`, for a bridge
`Configuration:` and `member:`.
"""

import ipaddress
import json
import os
from typing import Any

from ..calls import record
from . import links, paths
from .console import complain, is_root

BITS = {
    "UP": 0x1,
    "BROADCAST": 0x2,
    "LOOPBACK": 0x8,
    "SMART": 0x20,
    "RUNNING": 0x40,
    "PROMISC": 0x100,
    "ALLMULTI": 0x200,
    "SIMPLEX": 0x800,
    "MULTICAST": 0x8000,
}
MEMBER_FLAGS = "flags=10803<LEARNING,DISCOVER,PRIVATE,CSUM>"
READS = {"-l", "-a", "-u", "-d", "-v", "-L", "-m", "-r"}


def main(argv: list[str]) -> int:
    """Run `ifconfig [-a | -l | IF [family] [changes…]]`."""
    words = [word for word in argv[1:] if word not in {"-v", "-L", "-m", "-r"}]
    changes = words[1:] if words and not words[0].startswith("-") else []
    if changes[:1] in (["inet"], ["inet6"], ["ether"], ["link"]) and len(changes) == 1:
        changes = []
    record(argv, mutates=bool(changes))
    rows = links.interfaces()
    if not words or words[0] in {"-a", "-u", "-d"}:
        print("\n".join(text_of(row, rows) for row in rows))
        return 0
    if words[0] == "-l":
        print(" ".join(links.mac_name(row["ifname"]) for row in rows))
        return 0
    name = words[0]
    found = [row for row in rows if links.mac_name(row["ifname"]) == name]
    if changes:
        return change(name, changes, exists=bool(found))
    if not found:
        complain(f"ifconfig: interface {name} does not exist")
        return 1
    print(text_of(found[0], rows))
    return 0


def text_of(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Return the block of one interface."""
    name = links.mac_name(row["ifname"])
    names = flags(row, is_bridge=_kind(row) == "bridge")
    number = sum(BITS[flag] for flag in names)
    mtu = 16384 if name == "lo0" else row["mtu"]
    lines = [f"{name}: flags={number:x}<{','.join(names)}> mtu {mtu}"]
    if name == "lo0":
        lines.append("\toptions=1203<RXCSUM,TXCSUM,TXSTATUS,SW_TIMESTAMP>")
    else:
        lines.append(f"\tether {row.get('address', '00:00:00:00:00:00')}")
    lines += [address_line(name, row["ifindex"], info) for info in row["addr_info"]]
    if _kind(row) == "bridge":
        lines += bridge_lines(row["ifname"], rows)
    lines.append("\tnd6 options=201<PERFORMNUD,DAD>")
    if name != "lo0":
        active = row["operstate"] in {"UP", "UNKNOWN"}
        lines += ["\tmedia: autoselect", f"\tstatus: {'active' if active else 'inactive'}"]
    return "\n".join(lines)


def flags(row: dict[str, Any], *, is_bridge: bool) -> list[str]:
    """Return the names of an interface's flags as a Mac has them, in the order of their bits."""
    has = set(row["flags"])
    if "LOOPBACK" in has:
        return ["UP", "LOOPBACK", "RUNNING", "MULTICAST"]
    # A bridge runs as soon as it is up; elsewhere the carrier decides.
    running = {"UP", "RUNNING"} if "UP" in has and (is_bridge or "LOWER_UP" in has) else set()
    names = {"BROADCAST", "SMART", "SIMPLEX", "MULTICAST"} | (has & {"UP"}) | running
    if row["ifname"].startswith("vmenet"):
        names.add("PROMISC")
    if is_bridge:
        names.add("ALLMULTI")
    return [flag for flag in BITS if flag in names]


def address_line(name: str, index: int, info: dict[str, Any]) -> str:
    """Return the line of one address."""
    if info["family"] == "inet":
        mask = int(ipaddress.ip_network(f"0.0.0.0/{info['prefixlen']}").netmask)
        broadcast = f" broadcast {info['broadcast']}" if info.get("broadcast") else ""
        return f"\tinet {info['local']} netmask 0x{mask:08x}{broadcast}"
    scope = f"%{name}" if info["scope"] == "link" else ""
    scope_id = f"scopeid 0x{index:x} " if scope else ""
    return f"\tinet6 {info['local']}{scope} prefixlen {info['prefixlen']} {scope_id}"


def bridge_lines(bridge: str, rows: list[dict[str, Any]]) -> list[str]:
    """Return a bridge's configuration and members."""
    lines = [
        "\tConfiguration:",
        "\t\tid 0:0:0:0:0:0 priority 0 hellotime 0 fwddelay 0",
        "\t\tmaxage 0 holdcnt 0 proto stp maxaddr 100 timeout 1200",
        "\t\troot id 0:0:0:0:0:0 priority 0 ifcost 0 port 0",
        "\t\tipfilter disabled flags 0x0",
    ]
    for row in rows:
        if row.get("master") == bridge:
            lines.append(f"\tmember: {row['ifname']} {MEMBER_FLAGS}")
            lines.append(f"\t        ifmaxaddr 0 port {row['ifindex']} priority 0 path cost 0")
    return lines


def change(name: str, words: list[str], *, exists: bool) -> int:
    """Apply changes: create, destroy, up, down, ether, mtu, addresses of inet and inet6."""
    if not is_root():
        complain("ifconfig: ioctl (SIOCIFCREATE2): Operation not permitted")
        return 1
    if words[0] == "create":
        return create(name)
    if not exists:
        complain(f"ifconfig: interface {name} does not exist")
        return 1
    device = links.linux_name(name)
    verb = words[0]
    if verb in {"up", "down"}:
        return switch(device, verb)
    settings = {
        "destroy": ("link", "del", device),
        "mtu": ("link", "set", device, "mtu", words[-1]),
        "addm": ("link", "set", words[-1], "master", device),
        "deletem": ("link", "set", words[-1], "nomaster"),
        "ether": ("link", "set", device, "address", words[-1]),
        "lladdr": ("link", "set", device, "address", words[-1]),
    }
    if verb in settings:
        return _ip(*settings[verb])
    plain = [word for word in words if word not in {"inet", "inet6", "add"}]
    return address6(device, plain) if verb == "inet6" else address(device, plain)


def switch(device: str, way: str) -> int:
    """Bring an interface up or down; its routes come back with it, as configd sees to."""
    kept = paths.at(f"/private/var/run/lab-routes-{device}.json")
    if way == "down":
        routes = [row for row in links.ip("-4", "route", "show", "dev", device) if "gateway" in row]
        kept.write_text(json.dumps([[row["dst"], row["gateway"]] for row in routes]))
    status = _ip("link", "set", device, way)
    if way == "up" and not status and kept.exists():
        for destination, gateway in json.loads(kept.read_text()):
            links.change("-4", "route", "add", destination, "via", gateway, "dev", device)
        kept.unlink()
    return status


def address6(device: str, words: list[str]) -> int:
    """Add or remove an IPv6 address: `inet6 ADDRESS [prefixlen N] [alias | -alias | delete]`."""
    removing = bool({"-alias", "delete", "remove"} & set(words))
    length = words[words.index("prefixlen") + 1] if "prefixlen" in words[:-1] else "64"
    plain = [word for word in words if ":" in word]
    if not plain:
        complain("ifconfig: bad value")
        return 1
    given, slash, bits = plain[0].partition("%")[0].partition("/")
    if removing:
        held = [
            f"{info['local']}/{info['prefixlen']}"
            for row in links.interfaces()
            if row["ifname"] == device
            for info in row["addr_info"]
            if info["local"] == given
        ]
        if not held:
            complain("ifconfig: ioctl (SIOCDIFADDR): Can't assign requested address")
            return 1
        return _ip("addr", "del", held[0], "dev", device)
    whole = f"{given}/{bits if slash else length}"
    return _ip("addr", "replace", whole, "dev", device, "nodad")


def create(name: str) -> int:
    """Make a bridge, or an interface that carries nothing (`pflog1`)."""
    if name.startswith("bridge"):
        return _ip("link", "add", name, "type", "bridge")
    return _ip("tuntap", "add", name, "mode", "tun")


def address(device: str, words: list[str]) -> int:
    """Add, replace or remove an IPv4 address."""
    removing = {"-alias", "delete", "remove"} & set(words)
    adding = "alias" in words
    rest = [word for word in words if word not in {"alias", "-alias", "delete", "remove"}]
    if not rest:
        complain("ifconfig: bad value")
        return 1
    given = rest[0]
    if "netmask" in rest:
        mask = rest[rest.index("netmask") + 1]
        dotted = str(ipaddress.ip_address(int(mask, 16))) if mask.startswith("0x") else mask
        given = f"{given}/{ipaddress.ip_network(f'0.0.0.0/{dotted}').prefixlen}"
    if removing:
        bare = given.partition("/")[0]
        held = [
            f"{info['local']}/{info['prefixlen']}"
            for row in links.interfaces()
            if row["ifname"] == device
            for info in row["addr_info"]
            if info["local"] == bare
        ]
        if not held:
            complain("ifconfig: ioctl (SIOCDIFADDR): Can't assign requested address")
            return 1
        return _ip("addr", "del", held[0], "dev", device)
    if not adding:
        links.change("-4", "addr", "flush", "dev", device)
    # An address brings its interface up (SIOCAIFADDR).
    status = _ip("addr", "replace", given, "broadcast", "+", "dev", device)
    return status or _ip("link", "set", device, "up")


def _ip(*words: str) -> int:
    complaint = links.change(*words)
    if complaint:
        complain(f"ifconfig: {complaint.removeprefix('RTNETLINK answers: ')}")
    return 1 if complaint else 0


def _kind(row: dict[str, Any]) -> str:
    if os.path.isdir(f"/sys/class/net/{row['ifname']}/bridge"):
        return "bridge"
    return str(row.get("linkinfo", {}).get("info_kind", ""))
