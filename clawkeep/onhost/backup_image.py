"""Exports the stopped VM into one file: all of it, the agent's tools and macOS itself.

`tart export` reads the whole disk and packs it: the guest is down for as long as that takes, and
tens of gigabytes are written (reference/tart.md §1.7). Tart encrypts nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from clawkeep import tart
from clawkeep.backup.errors import BackupError
from clawkeep.onhost import world
from clawkeep.policy import Policy, PolicyError

EXPORT_S = 6 * 3600


def export(file: Path) -> int:
    """Export the declared guest into a new file; return its size in bytes.

    Made by the guest's owner, in a folder of theirs, under another name first. Raises BackupError.
    """
    if not file.is_absolute() or not file.parent.is_dir():
        raise BackupError(f"{file}: name a new file in a folder of the host that is there")
    if os.path.lexists(file):
        raise BackupError(f"{file} is there already; nothing was done")
    try:
        policy = world.policy()
        disk = _stopped(policy)
    except (PolicyError, subprocess.SubprocessError) as error:
        raise BackupError(str(error)) from error
    if (room := shutil.disk_usage(file.parent).free) < disk:
        raise BackupError(
            f"{file.parent} has room for {room / 1e9:.0f} GB; the disk has {disk / 1e9:.0f} GB, "
            "and nobody knows before how far it can be packed"
        )
    part = file.with_name(f".{file.name}.part")
    try:
        done = world.as_owner(
            policy, [tart.TART, "export", policy.guest, str(part)], timeout_s=EXPORT_S
        )
        if done.returncode != 0 or not part.is_file():
            raise BackupError(f"tart export: {done.stderr.strip()[-300:] or done.returncode}")
        part.chmod(0o600)
        os.link(part, file)  # Never over what came there meanwhile.
    except subprocess.TimeoutExpired as error:
        raise BackupError(f"tart export was not done after {EXPORT_S // 3600} h") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return file.stat().st_size


def _stopped(policy: Policy) -> int:
    """Return the size of the guest's disk in bytes. Raises BackupError while it runs."""
    listing = world.as_owner(policy, tart.list_local()).stdout
    try:
        found = {vm.name: vm for vm in tart.parse_list(listing)}.get(policy.guest)
    except tart.TartError as error:
        raise BackupError(str(error)) from error
    if found is None:
        raise BackupError(f"there is no VM {policy.guest}")
    if found.state != "stopped":
        raise BackupError(
            f"{policy.guest} is {found.state}: a file of it would be torn; `clawkeep vm stop` "
            "first, and `clawkeep apply` afterwards"
        )
    return found.disk_gb * 1000**3
