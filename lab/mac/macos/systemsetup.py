"""systemsetup, networksetup: settings from the command line, with exit 0 on nearly every error.

`systemsetup` needs root and says so, exit 0; -setremotelogin needs Full Disk Access, which nobody
has over SSH. Source: reference/macos.md §4.2, §5.
"""

import os

from ..calls import record
from . import links, paths, preferences, scutil
from .console import is_root

FILE = "/Library/Preferences/com.apple.lab.systemsetup.plist"
ZONES = "/usr/share/zoneinfo"
PORTS = (("Ethernet", "en0"), ("Wi-Fi", "en1"), ("Thunderbolt Bridge", "bridge0"))
TITLES = {
    "sleep": "Sleep",
    "computersleep": "Computer Sleep",
    "displaysleep": "Display Sleep",
    "harddisksleep": "Hard Disk Sleep",
    "restartfreeze": "Restart After Freeze",
    "restartpowerfailure": "Restart After Power Failure",
    "wakeonnetworkaccess": "Wake On Network Access",
    "usingnetworktime": "Network Time",
    "remoteappleevents": "Remote Apple Events",
}


def main(argv: list[str]) -> int:
    """Run systemsetup or networksetup."""
    words = argv[1:]
    option = words[0] if words else ""
    record(argv, mutates=option.startswith(("-set", "-create", "-remove", "-add")))
    if os.path.basename(argv[0]) == "networksetup":
        return networksetup(words)
    if not is_root():
        print("You need administrator access to run this tool... exiting!")
        return 0
    return systemsetup(option, words[1:])


def systemsetup(option: str, words: list[str]) -> int:
    """Run one option; always 0."""
    name = option.removeprefix("-set").removeprefix("-get")
    match (option, words):
        case ("-setremotelogin", _):
            change = "Turning Remote Login on or off"
            print(f"setremotelogin: {change} requires Full Disk Access privileges.")
        case ("-getremotelogin", _):
            print("Remote Login: On")
        case ("-settimezone", [zone]):
            set_zone(zone)
        case ("-gettimezone", _):
            target = os.path.realpath(paths.at("/private/etc/localtime"))
            print(f"Time Zone: {target.partition('/zoneinfo/')[2] or 'UTC'}")
        case ("-getcomputername", _):
            print(f"Computer Name: {scutil.stored('ComputerName')}")
        case ("-setcomputername", [value]):
            scutil.set_("ComputerName", value)
        case (_, [value, *_]) if option.startswith("-set") and name in TITLES:
            stored = preferences.read(paths.at(FILE)) or {}
            preferences.write(paths.at(FILE), {**stored, name: value})
            print(f"set{name}: {value}")
        case _ if option.startswith("-get") and name in TITLES:
            stored = preferences.read(paths.at(FILE)) or {}
            print(f"{TITLES[name]}: {stored.get(name, 'Off')}")
        case _:
            print(f"{option} not recognized.")
    return 0


def set_zone(zone: str) -> None:
    """-settimezone ZONE."""
    if not os.path.isfile(f"{ZONES}/{zone}"):
        print(f"{zone} is not a valid timezone. Use '-listtimezones' to get a list.")
        return
    link = paths.at("/private/etc/localtime")
    link.unlink(missing_ok=True)
    link.symlink_to(f"{ZONES}/{zone}")
    print(f"Set TimeZone: {zone}")


def networksetup(words: list[str]) -> int:
    """Run the listing options, and DNS servers of a service."""
    match words:
        case ["-listallhardwareports"]:
            list_ports()
        case ["-listallnetworkservices"]:
            print("An asterisk (*) denotes that a network service is disabled.\nEthernet")
        case ["-getdnsservers", "Ethernet"]:
            servers = (preferences.read(paths.at(FILE)) or {}).get("dns", [])
            print("\n".join(servers) or "There aren't any DNS Servers set on Ethernet.")
        case ["-setdnsservers", "Ethernet", *servers]:
            return set_name_servers(servers)
        case ["-getinfo", "Ethernet"]:
            route = links.default_route() or {"gateway": "none"}
            print(f"DHCP Configuration\nIP address: {links.address_of('en0')}")
            print(f"Router: {route['gateway']}")
        case ["-getcomputername"]:
            print(scutil.stored("ComputerName"))
        case ["-setcomputername", name]:
            return scutil.set_("ComputerName", name)
        case [option, service, *_] if option.endswith(("dnsservers", "info")):
            print(f"{service} is not a recognized network service.")
            print("** Error: The parameters were not valid.")
            return 4
        case _:
            print("** Error: The command is not simulated in the lab.")
            return 4
    return 0


def list_ports() -> None:
    """-listallhardwareports."""
    rows = {row["ifname"]: row for row in links.interfaces()}
    for title, device in PORTS:
        if device in rows or device == "en0":
            address = rows.get(device, {}).get("address", "N/A")
            print(f"\nHardware Port: {title}\nDevice: {device}\nEthernet Address: {address}")
    print("\nVLAN Configurations\n===================")


def set_name_servers(servers: list[str]) -> int:
    """-setdnsservers Ethernet ADDRESS…|Empty: what the resolver uses from now on."""
    if not is_root():
        print("** Error: Command requires admin privileges.")
        return 14
    chosen = [] if servers == ["Empty"] else servers
    stored = preferences.read(paths.at(FILE)) or {}
    file = paths.at("/private/etc/resolv.conf")
    fresh = stored.get("dns_fresh", links.name_servers())
    preferences.write(paths.at(FILE), {**stored, "dns": chosen, "dns_fresh": fresh})
    lines = [f"nameserver {server}\n" for server in (chosen or fresh)]
    file.write_text("".join(lines), encoding="ascii")
    return 0
