"""Reads JSON that may be of another version, damaged, or a guest's: what is not there is None."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from clawkeep.agent.report import span

Data = Mapping[str, Any]


def rows(data: object, name: str = "") -> list[Data]:
    """Return the objects of a list: `data` itself, or what it has under `name`."""
    found = data.get(name) if name and isinstance(data, Mapping) else data
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def part(data: object, name: str) -> Data:
    """Return an object within an object, {} when there is none."""
    found = data.get(name) if isinstance(data, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def words(data: object, name: str) -> list[str]:
    """Return the texts of a list."""
    found = data.get(name) if isinstance(data, Mapping) else None
    return [str(one) for one in found] if isinstance(found, list) else []


def word(data: object, name: str, default: str = "") -> str:
    """Return a text, or a number as one."""
    found = data.get(name) if isinstance(data, Mapping) else None
    return default if found is None or isinstance(found, list | Mapping) else str(found)


def number(data: object, name: str) -> float | None:
    """Return a finite number; True and False are none."""
    found = data.get(name) if isinstance(data, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        return float(found) if math.isfinite(found) else None
    except OverflowError:
        return None


def count(data: object, name: str) -> int:
    """Return a number of things, 0 when nobody says."""
    return int(number(data, name) or 0)


def ago(moment: float | None, now: float) -> str:
    """Return how long ago a moment was: `3 min ago`, `never` for none."""
    if moment is None:
        return "never"
    return f"{span(now - moment)} ago" if moment <= now + 1 else f"in {span(moment - now)}"


def clock(moment: float | None) -> str:
    """Return a moment in this machine's local time, "" for what is no time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)) if moment else ""
    except (ValueError, OverflowError, OSError):
        return ""


def size(octets: float | None) -> str:
    """Return a number of bytes as people read it: `1.2 GB`."""
    if octets is None:
        return "-"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(octets) >= scale:
            return f"{octets / scale:.1f} {unit}"
    return f"{octets:.0f} B"


def checks_of(data: object) -> list[Data]:
    """Return an audit's checks, kept by name or listed."""
    found = data.get("checks") if isinstance(data, Mapping) else None
    if isinstance(found, Mapping):
        return [{"name": n, **row} for n, row in found.items() if isinstance(row, Mapping)]
    return rows(data, "checks")


def moment_of(text: str) -> float | None:
    """Return an ISO time as Unix seconds, None for anything else."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
