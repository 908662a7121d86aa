"""This machine's /usr as lab machines see it, with the links that lead out of it put right.

Debian's alternatives (`nc`, `awk`) and its oldest names (`/usr/sbin/ip`) are absolute links through
/etc and /bin, which in a lab machine are a Mac's.
"""

import os
from pathlib import Path

MACHINE = Path("/usr")


def write_links(layer: Path, usr: Path = MACHINE) -> None:
    """Write a layer to lie over `usr`: a relative link for each absolute one in bin and sbin."""
    for folder in ("bin", "sbin"):
        (layer / folder).mkdir(parents=True)
        for entry in os.scandir(usr / folder):
            if not entry.is_symlink() or not os.readlink(entry.path).startswith("/"):
                continue
            target = os.path.realpath(entry.path)
            if target.startswith(f"{usr}/") and os.path.exists(target):
                link = layer / folder / entry.name
                link.symlink_to(os.path.relpath(target, usr / folder))
