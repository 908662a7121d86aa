"""list, get, fqn: what is there. Source: reference/tart.md §1.6 (List.swift, Get.swift)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from . import local_storage, oci_storage, remote_name, vm_config
from .arguments import Values
from .errors import UsageError
from .vm_directory import VMDirectory

GB = 1000**3


def list_(values: Values) -> int:
    """`tart list`: local VMs and cached images; every image by tag and by digest."""
    source = values.options.get("source")
    if source not in (None, "local", "oci"):
        raise UsageError(f"'{source}' is not a valid <source>")
    shape = _format(values)
    rows: list[dict[str, Any]] = []
    if source != "oci":
        rows += [_row("local", vm.path.name, vm, shape) for vm in local_storage.list_vms()]
    if source != "local":
        rows += [_row("OCI", name, vm, shape) for name, vm in oci_storage.list_images()]
    if values.flags & {"quiet"}:
        for row in rows:
            print(row["Name"])
    else:
        print(vm_config.pretty(rows) if shape == "json" else table(rows))
    return 0


def get(values: Values) -> int:
    """`tart get NAME`: no MAC, no address."""
    shape = _format(values)
    vm = local_storage.open_vm(values.positionals[0])
    config = vm.config()
    facts = {
        "OS": config.get("os", "darwin"),
        "CPU": config["cpuCount"],
        "Memory": config["memorySize"] // vm_config.MIB,
        "Disk": vm.disk_gb(),
        "DiskFormat": config.get("diskFormat", "raw"),
        "Size": f"{vm.allocated_bytes() / GB:.3f}",
        "Display": vm_config.display_text(config),
        "Running": vm.state == "running",
        "State": vm.state,
    }
    print(vm_config.pretty(facts) if shape == "json" else table([facts]))
    return 0


def fqn(values: Values) -> int:
    """`tart fqn NAME`: the cached tag's digest; a local name comes back as it is."""
    name = values.positionals[0]
    remote = remote_name.parse_or_none(name)
    print(remote.at(oci_storage.digest(remote)) if remote else name)
    return 0


def table(rows: list[Mapping[str, Any]] | list[dict[str, Any]]) -> str:
    """Lay rows out as text; Running is only shown as JSON."""
    if not rows:
        return ""
    titles = [title for title in rows[0] if title != "Running"]
    lines = [titles, *([str(row[title]) for title in titles] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    padded = (
        " ".join(word.ljust(width) for word, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def _format(values: Values) -> str:
    shape = values.options.get("format", "text")
    if shape not in ("text", "json"):
        raise UsageError(
            f"The value '{shape}' is invalid for '--format <format>'. "
            "Please provide one of 'text' and 'json'."
        )
    return shape


def _row(source: str, name: str, vm: VMDirectory, shape: str) -> dict[str, Any]:
    accessed = vm.path.stat().st_atime
    return {
        "Source": source,
        "Name": name,
        "Disk": vm.disk_gb(),
        "Size": vm.allocated_bytes() // GB,
        "Accessed": _iso(accessed) if shape == "json" else _ago(time.time() - accessed),
        "Running": vm.state == "running",
        "State": vm.state,
    }


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ago(seconds: float) -> str:
    for unit, length in (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    count = max(0, int(seconds))
    return f"{count} second{'' if count == 1 else 's'} ago"
