"""sysctl: the oids that provisioning and monitoring read, under macOS's names.

Source: system_cmds-1026.100.5 sysctl.c for the words; reference/macos.md §9 for the oids.
"""

import os
import socket
import sys
import time
from collections.abc import Callable

from ..calls import record
from . import machine, memory
from .console import complain, is_root

FORWARDING = {
    "net.inet.ip.forwarding": "/proc/sys/net/ipv4/ip_forward",
    "net.inet6.ip6.forwarding": "/proc/sys/net/ipv6/conf/all/forwarding",
}


def boot_time() -> str:
    """Return kern.boottime: when process 1 of this machine started."""
    with open("/proc/stat", encoding="ascii") as file:
        epoch = next(int(line.split()[1]) for line in file if line.startswith("btime"))
    with open("/proc/1/stat", encoding="ascii") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    started = epoch + ticks // os.sysconf("SC_CLK_TCK")
    return f"{{ sec = {started}, usec = 0 }} {time.ctime(started)}"


def load_average() -> str:
    """Return vm.loadavg."""
    return "{ " + " ".join(f"{value:.2f}" for value in os.getloadavg()) + " }"


def swap_usage() -> str:
    """Return vm.swapusage."""
    total, free = memory.swap_bytes()
    shown = {"total": total, "used": total - free, "free": free}
    parts = [f"{name} = {value / (1 << 20):.2f}M" for name, value in shown.items()]
    return "  ".join([*parts, "(encrypted)"])


def _file(path: str) -> Callable[[], str]:
    def read() -> str:
        with open(path, encoding="ascii") as file:
            return file.read().strip()

    return read


def _cpus() -> str:
    return str(machine.facts().get("cpus") or os.cpu_count())


OIDS: dict[str, Callable[[], str]] = {
    "hw.activecpu": _cpus,
    "hw.byteorder": lambda: "1234",
    "hw.logicalcpu": _cpus,
    "hw.machine": lambda: "arm64",
    "hw.memsize": lambda: str(memory.total_bytes()),
    "hw.model": lambda: machine.GUEST_MODEL if machine.is_guest() else machine.HOST_MODEL,
    "hw.ncpu": _cpus,
    "hw.optional.arm64": lambda: "1",
    "hw.pagesize": lambda: str(memory.PAGE),
    "hw.physicalcpu": _cpus,
    "kern.boottime": boot_time,
    "kern.hostname": socket.gethostname,
    "kern.hv_support": lambda: "0" if machine.is_guest() else "1",
    "kern.hv_vmm_present": lambda: "1" if machine.is_guest() else "0",
    "kern.ipc.somaxconn": lambda: "128",
    "kern.maxfiles": lambda: "184320",
    "kern.maxfilesperproc": lambda: "92160",
    "kern.maxproc": lambda: "6000",
    "kern.osproductversion": lambda: machine.PRODUCT_VERSION,
    "kern.osrelease": lambda: machine.DARWIN_RELEASE,
    "kern.ostype": lambda: "Darwin",
    "kern.osversion": lambda: machine.BUILD_VERSION,
    "machdep.cpu.brand_string": lambda: "Apple M4 (Virtual)" if machine.is_guest() else "Apple M4",
    "machdep.cpu.core_count": _cpus,
    "net.inet.ip.forwarding": _file(FORWARDING["net.inet.ip.forwarding"]),
    "net.inet6.ip6.forwarding": _file(FORWARDING["net.inet6.ip6.forwarding"]),
    "vm.loadavg": load_average,
    "vm.swapusage": swap_usage,
}


def main(argv: list[str]) -> int:
    """Run `sysctl [-nNiqw] [-a | OID[=VALUE]…]`."""
    letters = "".join(word[1:] for word in argv[1:] if word.startswith("-"))
    words = [word for word in argv[1:] if not word.startswith("-")]
    record(argv, mutates=any("=" in word for word in words))
    unknown = set(letters) - set("nNaeiqwAXbhlodtTWxF")
    if unknown:
        complain(f"sysctl: illegal option -- {min(unknown)}")
        return 1
    if not words and not set("aAX") & set(letters):
        complain("usage: sysctl [-bdehiNnoqx] [-B <bufsize>] [-f filename] name[=value] ...")
        return 1
    status = 0
    for word in words or sorted(OIDS):
        status |= one(word, letters)
    return status


def one(word: str, letters: str) -> int:
    """Show or set one oid (or show a whole subtree)."""
    name, equals, value = word.partition("=")
    names = [name] if name in OIDS else [oid for oid in OIDS if oid.startswith(f"{name}.")]
    if not names:
        if not set("iq") & set(letters):
            complain(f"sysctl: unknown oid '{name}'")
        return 0 if "i" in letters else 1
    if equals:
        return set_(name, value, letters)
    separator = "=" if "e" in letters else ": "
    for oid in names:
        if "N" in letters:
            print(oid)
        else:
            text = OIDS[oid]()
            print(text if "n" in letters else f"{oid}{separator}{text}")
    return 0


def set_(name: str, value: str, letters: str) -> int:
    """Set an oid: IP forwarding, as root; the rest is read only here."""
    path = FORWARDING.get(name)
    if path is None:
        complain(f"sysctl: oid '{name}' is read only")
        return 1
    if not is_root():
        complain(f"sysctl: {name}: Operation not permitted")
        return 1
    old = OIDS[name]()
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        complain(f"sysctl: {name}: {error.strerror}")
        return 1
    sys.stdout.write(f"{value}\n" if "n" in letters else f"{name}: {old} -> {value}\n")
    return 0
