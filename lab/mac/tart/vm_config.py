"""config.json of a VM. Source: reference/tart.md §1.4 (VMConfig.swift)."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any

from .errors import INVALID_DATA, OtherError

MIB = 1024**2
_VZ_MIN_CPU = 1
_VZ_MIN_MEMORY = 512 * MIB


def pretty(data: Any) -> str:
    r"""Render JSON as Foundation does when it prints prettily: `"k" : v`, and `\/`."""
    if data == []:
        return "[\n\n]"
    text = json.dumps(data, indent=2, separators=(",", " : "), ensure_ascii=False)
    return text.replace("/", "\\/")


def random_mac() -> str:
    """Return a random unicast address, locally administered."""
    generator = random.SystemRandom()
    first = generator.randrange(256) & 0xFC | 0x02
    rest = [generator.randrange(256) for _ in range(5)]
    return ":".join(f"{byte:02x}" for byte in (first, *rest))


def random_ecid() -> str:
    """Return a new machine identifier (which decides the serial number)."""
    return base64.b64encode(random.SystemRandom().randbytes(68)).decode()


def read(path: Path) -> dict[str, Any]:
    """Read a configuration. Raises FileNotFoundError, OtherError."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise OtherError(INVALID_DATA) from error


def save(config: dict[str, Any], path: Path) -> None:
    """Rewrite a configuration in place, taking no lock, as tart does."""
    path.write_text(pretty(config), encoding="utf-8")


def set_cpu(config: dict[str, Any], count: int) -> None:
    """Set the CPUs. Raises OtherError below the image's minimum."""
    for minimum in (config["cpuCountMin"], _VZ_MIN_CPU):
        if count < minimum:
            raise OtherError(
                f"LessThanMinimalResourcesError: VM should have {minimum} CPU cores at minimum "
                f"(requested {count})"
            )
    config["cpuCount"] = count


def set_memory(config: dict[str, Any], size: int) -> None:
    """Set the memory in bytes. Raises OtherError below the image's minimum."""
    for minimum in (config["memorySizeMin"], _VZ_MIN_MEMORY):
        if size < minimum:
            raise OtherError(
                f"LessThanMinimalResourcesError: VM should have {minimum} bytes of memory at "
                f"minimum (requested {size})"
            )
    config["memorySize"] = size


def set_display(config: dict[str, Any], text: str) -> None:
    """Set the display from WIDTHxHEIGHT[pt|px]; what is no number is ignored, as tart does."""
    unit = text[-2:] if text.endswith(("pt", "px")) else None
    parts = text.removesuffix(unit or "").split("x")
    display = config.setdefault("display", {"width": 1024, "height": 768})
    for key, part in zip(("width", "height"), parts, strict=False):
        if part.isdecimal() and int(part) > 0:
            display[key] = int(part)
    display.pop("unit", None)
    if unit:
        display["unit"] = unit


def display_text(config: dict[str, Any]) -> str:
    """Render the display as `get` shows it."""
    display = config.get("display", {"width": 1024, "height": 768})
    return f"{display['width']}x{display['height']}{display.get('unit', '')}"
