"""route and ipconfig: BSD's words about routes, and what DHCP has brought.

Source: network_cmds-705.100.5 route.c; reference/macos.md §9.
"""

import ipaddress
import os
import socket

from ..calls import record
from . import links
from .console import complain, is_root

COLUMNS = (
    " recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire\n"
    "       0         0         0         0         0         0      1500         0 "
)

WITH_VALUE = {"-netmask", "-prefixlen", "-interface", "-ifscope", "-ifp", "-gateway"}
REASONS = {
    "File exists": "File exists",
    "unreachable": "Network is unreachable",
    "invalid gateway": "Network is unreachable",
}
"""What the kernel of a Mac says for what Linux says; anything else is `not in table`."""


def main(argv: list[str]) -> int:
    """Run the command that argv[0] names."""
    words = argv[1:]
    changing = bool({"add", "delete", "change", "flush", "set"} & set(words))
    record(argv, mutates=changing)
    return {"route": route, "ipconfig": ipconfig}[os.path.basename(argv[0])](words)


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
    """`route add|delete|change [-inet6] [-net|-host] DESTINATION [-netmask M] GATEWAY`.

    Instead of the gateway: `-interface IF`. `-ifscope IF` binds the route to the interface.
    """
    if not is_root():
        complain("route: must be root to alter routing table")
        return 77
    options, plain = _split(words)
    if not plain:
        complain("usage: route [-dnqtv] command [[modifiers] args]")
        return 64
    destination, gateway = plain[0], plain[1] if len(plain) > 1 else ""
    family = "-6" if "-inet6" in options or ":" in destination + gateway else "-4"
    mask = options.get("-netmask") or options.get("-prefixlen")
    network = destination if mask is None else f"{destination}/{mask}"
    if network != "default":
        try:
            network = str(ipaddress.ip_network(network.partition("%")[0], strict=False))
        except ValueError:
            complain(f"route: bad address: {destination}")
            return 68
    hop, _, zone = gateway.partition("%")
    device = options.get("-interface") or options.get("-ifscope") or zone
    way = ["via", hop] if hop else []
    way += ["dev", links.linux_name(device)] if device else []
    action = {"add": "add", "delete": "del"}.get(verb, "replace")
    complaint = links.change(family, "route", action, network, *way)
    kind = "host" if "-host" in options or _is_host(network, options) else "net"
    result = f"{verb} {kind} {destination}" + (f": gateway {gateway}" if gateway else "")
    if complaint:
        reason = next((text for sign, text in REASONS.items() if sign in complaint), "not in table")
        complain(f"route: writing to routing socket: {reason}")
        print(f"{result}: {reason}")
        return 1
    print(result)
    return 0


def _split(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Part the modifiers from the addresses; `default` may be said as `-net default`."""
    options: dict[str, str] = {}
    plain = []
    rest = iter(words)
    for word in rest:
        if word in WITH_VALUE:
            options[word] = next(rest, "")
        elif word.startswith("-"):
            options[word] = ""
        else:
            plain.append(word)
    return options, plain


def _is_host(network: str, options: dict[str, str]) -> bool:
    if network == "default" or "-net" in options:
        return False
    return ipaddress.ip_network(network).num_addresses == 1


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
