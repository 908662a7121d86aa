"""vm_stat, memory_pressure: the machine's memory in pages of 16 KB.

Source: system_cmds-1026.100.5 vm_stat.c, memory_pressure.c; reference/macos.md §9.
"""

import os

from ..calls import record
from . import machine

PAGE = 16384
ROWS = (
    ("Pages free:", "MemFree"),
    ("Pages active:", "Active"),
    ("Pages inactive:", "Inactive"),
    ("Pages speculative:", ""),
    ("Pages throttled:", ""),
    ("Pages wired down:", "Unevictable"),
    ("Pages purgeable:", ""),
    ('"Translation faults":', ""),
    ("Pages copy-on-write:", ""),
    ("Pages zero filled:", ""),
    ("Pages reactivated:", ""),
    ("Pages purged:", ""),
    ("File-backed pages:", "Cached"),
    ("Anonymous pages:", "AnonPages"),
    ("Pages stored in compressor:", ""),
    ("Pages occupied by compressor:", ""),
    ("Decompressions:", ""),
    ("Compressions:", ""),
    ("Pageins:", ""),
    ("Pageouts:", ""),
    ("Swapins:", ""),
    ("Swapouts:", ""),
)


def table() -> dict[str, int]:
    """Return /proc/meminfo in bytes."""
    with open("/proc/meminfo", encoding="ascii") as file:
        rows = (line.split() for line in file)
        return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows}


def total_bytes() -> int:
    """Return the memory the machine was given (`memory_mb` of its facts), else what there is."""
    given = machine.facts().get("memory_mb")
    return int(given) << 20 if given else table()["MemTotal"]


def swap_bytes() -> tuple[int, int]:
    """Return total and free swap."""
    found = table()
    return found.get("SwapTotal", 0), found.get("SwapFree", 0)


def main(argv: list[str]) -> int:
    """Run vm_stat, or memory_pressure [-Q]."""
    record(argv, mutates=False)
    found = table()
    if os.path.basename(argv[0]) == "vm_stat":
        print(f"Mach Virtual Memory Statistics: (page size of {PAGE} bytes)")
        for label, key in ROWS:
            print(f"{label:<30} {found.get(key, 0) // PAGE:>16}.")
        return 0
    total = total_bytes()
    free = 100 * found["MemAvailable"] // found["MemTotal"]
    print(f"The system has {total} ({total // PAGE} pages with a page size of {PAGE}).")
    print(f"System-wide memory free percentage: {free}%")
    return 0
