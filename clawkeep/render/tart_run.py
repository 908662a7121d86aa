"""The command that runs the guest."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

from clawkeep.model import Egress, Guest, Mount, mount_conflicts
from clawkeep.render.softnet import softnet_flags

SERVER_FLAGS = ("--no-graphics", "--no-audio", "--no-clipboard")
"""Headless, and without the channels that tart opens between guest and host by default."""


def tart_run(
    guest: Guest,
    egress: Egress,
    *,
    home: str,
    gateway: IPv4Address | None = None,
    tart: str = "tart",
) -> tuple[str, ...]:
    """Return the argv of `tart run` for `guest`.

    `home` is the host user's home folder, an absolute path; `gateway` as in `softnet_flags`.
    Raises ValueError when mounts overlap once `~` is known, or a path got a colon from `home`.
    Source: reference/tart.md §1.5, §7.
    """
    flags = (*SERVER_FLAGS, *softnet_flags(egress, gateway=gateway))
    return (tart, "run", *flags, *mount_flags(guest.mounts, home), guest.name)


def mount_flags(mounts: Sequence[Mount], home: str) -> tuple[str, ...]:
    """Return one `--dir=name:path[:ro]` per mount; raise ValueError as `tart_run` does."""
    if ":" in home or not home.startswith("/"):
        raise ValueError(f"home {home!r} must be an absolute path without a colon")
    if found := list(mount_conflicts(mounts, home)):
        raise ValueError("; ".join(found))
    return tuple(
        f"--dir={mount.name}:{mount.at(home)}{':ro' if mount.read_only else ''}" for mount in mounts
    )
