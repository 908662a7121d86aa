"""tmutil, mdutil, diskutil, log, pwpolicy, nvram, mount: just enough to be called.

What changes something keeps it in one preference file, so that a second run can read it back.
"""

import os
import plistlib
import sys

from ..calls import record
from . import machine, paths, preferences
from .console import complain, is_root

FILE = "/Library/Preferences/com.apple.lab.housekeeping.plist"
READS = {
    "status",
    "list",
    "info",
    "show",
    "-s",
    "destinationinfo",
    "apfs",
    "getaccountpolicies",
    "-p",
}


def main(argv: list[str]) -> int:
    """Run the command that argv[0] names."""
    name, words = os.path.basename(argv[0]), argv[1:]
    record(argv, mutates=not (set(words[:1]) & READS) or "resizeContainer" in words)
    return COMMANDS[name](words)


def _stored() -> dict[str, str]:
    return preferences.read(paths.at(FILE)) or {}


def _store(key: str, value: str) -> None:
    preferences.write(paths.at(FILE), {**_stored(), key: value})


def tmutil(words: list[str]) -> int:
    """Time Machine: off, with nothing to back up to."""
    match words:
        case ["enable" | "disable" as state]:
            if not is_root():
                complain("tmutil: enable/disable must be run as root.")
                return 1
            _store("tmutil", state)
        case ["destinationinfo", *_]:
            print("tmutil: No destinations configured.")
            return 1
        case ["status"]:
            print("Backup session status:\n{")
            print('    ClientID = "com.apple.backupd";\n    Running = 0;\n}')
        case ["listlocalsnapshots", *_]:
            print("Snapshots for disk /:")
        case [
            "addexclusion" | "removeexclusion" | "deletelocalsnapshots" | "thinlocalsnapshots",
            *_,
        ]:
            return 0
        case _:
            complain("Usage: tmutil help <verb>")
            return 64
    return 0


def mdutil(words: list[str]) -> int:
    """Spotlight: `-a -i on|off`, `-s VOLUME`."""
    volumes = [word for word in words if word.startswith("/")] or ["/"]
    if "-i" in words:
        if not is_root():
            complain("mdutil: -i requires root")
            return 1
        _store("mdutil", words[words.index("-i") + 1])
    state = "enabled" if _stored().get("mdutil", "on") == "on" else "disabled"
    for volume in volumes:
        print(f"{volume}:\n\tIndexing {state}.")
    return 0


def diskutil(words: list[str]) -> int:
    """`list [-plist]`, `info [-plist] /`, `apfs list|resizeContainer`, `repairDisk`."""
    usage = os.statvfs(paths.at("/"))
    size, free = usage.f_blocks * usage.f_frsize, usage.f_bavail * usage.f_frsize
    match [word for word in words if word != "-plist"]:
        case ["info", *_] if "-plist" in words:
            facts = {
                "DeviceIdentifier": "disk3s1s1",
                "FilesystemType": "apfs",
                "MountPoint": "/",
                "VolumeName": "Macintosh HD",
                "TotalSize": size,
                "Size": size,
                "APFSContainerFree": free,
                "APFSContainerSize": size,
                "FileVault": False,
            }
            sys.stdout.write(plistlib.dumps(facts).decode())
        case ["info", *_]:
            print("   Device Identifier:         disk3s1s1\n   Mount Point:               /")
            print(f"   Volume Total Space:        {size / 1e9:.1f} GB ({size} Bytes)")
            print(f"   Container Free Space:      {free / 1e9:.1f} GB ({free} Bytes)")
        case ["list", *_] if "-plist" in words:
            facts = {"AllDisks": ["disk0", "disk3", "disk3s1"], "WholeDisks": ["disk0", "disk3"]}
            sys.stdout.write(plistlib.dumps(facts).decode())
        case ["list", *_] | ["apfs", "list", *_]:
            print("/dev/disk0 (internal, physical):\n   #:                       TYPE NAME")
            print(f"   0:      GUID_partition_scheme              *{size / 1e9:.1f} GB   disk0")
            print("   1:       Apple_APFS Container disk3                   disk0s2")
        case ["apfs", "resizeContainer", *_] | ["repairDisk", *_]:
            print("Started APFS operation\nFinished APFS operation")
        case _:
            complain("Usage:  diskutil [quiet] <verb> <options>")
            return 1
    return 0


def log(words: list[str]) -> int:
    """`log show|stream`: an empty unified log."""
    if words[:1] == ["show"]:
        print("Timestamp                       Thread     Type        Activity   PID    TTL  ")
    return 0


def pwpolicy(words: list[str]) -> int:
    """`-getaccountpolicies`, `-clearaccountpolicies`, `-sethashtypes`: no policy is set."""
    if "-getaccountpolicies" in words or "getaccountpolicies" in words:
        print("Getting global account policies", file=sys.stderr)
        print("")
        return 0
    return 0 if is_root() else 1


def nvram(words: list[str]) -> int:
    """`nvram -p`, `nvram NAME`, `nvram NAME=VALUE` (root)."""
    if words == ["-p"]:
        for name, value in _stored().items():
            if name.startswith("nvram "):
                print(f"{name.removeprefix('nvram ')}\t{value}")
        return 0
    name, equals, value = (words[0] if words else "").partition("=")
    if equals:
        if not is_root():
            complain(
                f"nvram: Error setting variable - '{name}': (iokit/common) privilege violation."
            )
            return 1
        _store(f"nvram {name}", value)
        return 0
    if f"nvram {name}" not in _stored():
        complain(f"nvram: Error getting variable - '{name}': (iokit/common) data was not found")
        return 1
    print(f"{name}\t{_stored()[f'nvram {name}']}")
    return 0


def mount(words: list[str]) -> int:
    """`mount`: what is mounted, with the shared folders of a VM; mounting is refused."""
    if words:
        complain("mount: mounting is not simulated in the lab.")
        return 77
    print("/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)")
    print("devfs on /dev (devfs, local, nobrowse)")
    print("/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect)")
    with open("/proc/mounts", encoding="utf-8") as file:
        targets = [line.split()[1].replace("\\040", " ") for line in file]
    shared = [target for target in targets if target.startswith("/Volumes/My Shared Files")]
    if shared and machine.is_guest():
        options = "(virtio-fs, local, journaled, noatime)"
        print(f"com.apple.virtio-fs.automount on /Volumes/My Shared Files {options}")
    return 0


def mount_virtiofs(words: list[str]) -> int:
    """`mount_virtiofs TAG FOLDER`: shares appear by themselves under /Volumes/My Shared Files."""
    complain(f"mount_virtiofs: {words[0] if words else ''}: Operation not supported by device")
    return 1


COMMANDS = {
    "tmutil": tmutil,
    "mdutil": mdutil,
    "diskutil": diskutil,
    "log": log,
    "pwpolicy": pwpolicy,
    "nvram": nvram,
    "mount": mount,
    "mount_virtiofs": mount_virtiofs,
}
