"""disk.img: sparse, as long as the disk, its first line naming where the content is."""

from __future__ import annotations

import os
from pathlib import Path

from ..virtualization import wire
from .errors import TartError

GB = 1000**3
_MARK = b"LABDISK "


def disk_of(image: Path) -> str | None:
    """Return the name of the disk behind an image file; None when there is none."""
    try:
        with open(image, "rb") as file:
            line = file.readline(64)
    except OSError:
        return None
    return line.removeprefix(_MARK).decode().strip() if line.startswith(_MARK) else None


def write(image: Path, disk: str, size: int) -> None:
    """Write an image file of `size` bytes that names `disk`."""
    with open(image, "wb") as file:
        file.write(_MARK + disk.encode() + b"\n")
        file.truncate(size)


def copy(source: Path, target: Path) -> None:
    """Copy a disk, content and all; no check that nobody writes to it."""
    answer = wire.ask({"op": "disk.clone", "uuid": disk_of(source) or ""})
    write(target, answer["uuid"], source.stat().st_size)


def human(size: int) -> str:
    """Write a size as ByteCountFormatter does: decimal, at most two digits after the point."""
    value, unit = float(size), "bytes"
    for bigger in ("KB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, bigger
    return f"{value:.2f}".rstrip("0").rstrip(".") + f" {unit}"


def grow(image: Path, size_gb: int) -> None:
    """Lengthen an image to decimal GB, even under a running guest. Raises TartError to shrink."""
    current = image.stat().st_size
    wanted = size_gb * GB
    if wanted < current:
        raise TartError(
            f"new disk size of {human(wanted)} should be larger than the current disk size "
            f"of {human(current)}"
        )
    if wanted > current:
        os.truncate(image, wanted)
