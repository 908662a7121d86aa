"""scutil: the three host names, and a little of the dynamic store.

`--get HostName` of a Mac that never had one says "HostName: not set" and exits 1. Only root may
set. Source: scutil(8); reference/macos.md §5.
"""

import contextlib
import ipaddress
import socket
import sys
from pathlib import Path

from ..calls import record
from . import links, machine, paths, preferences
from .console import complain, is_root

NAMES = ("ComputerName", "LocalHostName", "HostName")
FILE = "/Library/Preferences/SystemConfiguration/preferences.plist"


def main(argv: list[str]) -> int:
    """Run --get, --set, --dns, --nwi, -r HOST, or commands from standard input."""
    words = argv[1:]
    record(argv, mutates=words[:1] == ["--set"])
    if len(words) >= 2 and words[0] in {"--get", "--set"} and words[1] not in NAMES:
        complain("scutil: unknown preference")
        return 1
    match words:
        case ["--get", name]:
            return get(name)
        case ["--set", name, *value]:
            return set_(name, value[0] if value else sys.stdin.readline().strip())
        case ["--dns"]:
            print(dns())
        case ["--nwi"]:
            print(nwi())
        case ["-r", host]:
            print(reachability(host))
        case []:
            for line in sys.stdin:
                if line.split()[:1] in (["quit"], ["q"]):
                    break
                command(line.split())
        case _:
            complain("usage: scutil [interactive access to the dynamic store.]")
            return 1
    return 0


def _file() -> Path:
    return paths.at(FILE)


def stored(name: str) -> str | None:
    """Return a name that was set, or what a fresh Mac has."""
    names = (preferences.read(_file()) or {}).get("Names", {})
    fresh = {
        "ComputerName": machine.facts().get("name"),
        "LocalHostName": machine.facts().get("name"),
    }
    found = names.get(name, fresh.get(name))
    return None if found is None else str(found)


def get(name: str) -> int:
    """--get NAME."""
    value = stored(name)
    print(value if value else f"{name}: not set")
    return 0 if value else 1


def set_(name: str, value: str) -> int:
    """--set NAME VALUE; HostName also becomes the machine's host name at once."""
    if not is_root():
        complain("SCPreferencesLock() failed: Permission denied")
        return 1
    if name == "LocalHostName" and not value.replace("-", "").isalnum():
        complain("SCPreferencesSetLocalHostName() failed: Invalid argument")
        return 1
    values = preferences.read(_file()) or {}
    values["Names"] = {**values.get("Names", {}), name: value}
    preferences.write(_file(), values)
    if name == "HostName" and str(paths.ROOT) == "/":
        with contextlib.suppress(OSError):
            socket.sethostname(value)
    return 0


def dns() -> str:
    """Return --dns: the resolver of /etc/resolv.conf."""
    lines = ["DNS configuration", "", "resolver #1"]
    for number, server in enumerate(links.name_servers()):
        lines.append(f"  nameserver[{number}] : {server}")
    lines += ["  flags    : Request A records", "  reach    : 0x00000002 (Reachable)"]
    return "\n".join(lines)


def nwi() -> str:
    """Return --nwi: the primary interface."""
    route = links.default_route()
    lines = ["Network information", "", "IPv4 network interface information"]
    if route is not None:
        address = links.address_of(route["dev"])
        lines += [
            f"     {route['dev']} : flags      : 0x5 (IPv4,DNS)",
            f"           address    : {address}",
            "           reach      : 0x00000002 (Reachable)",
        ]
    lines += ["", "   REACH : flags 0x00000002 (Reachable)", ""]
    if route is not None:
        lines.append(f"Network interfaces: {route['dev']}")
    return "\n".join(lines)


def reachability(host: str) -> str:
    """Return -r HOST."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return "Reachable"
    return "Reachable" if links.default_route() else "Not Reachable"


def command(words: list[str]) -> None:
    """Answer one interactive command; only `show` and `list` of the global IPv4 state are known."""
    if words[:2] == ["show", "State:/Network/Global/IPv4"] and (route := links.default_route()):
        print("<dictionary> {")
        print(f"  PrimaryInterface : {route['dev']}\n  Router : {route['gateway']}")
        print("}")
    elif words[:1] == ["show"]:
        print("  No such key")
