"""Exports the stopped VM into one file: all of it, the agent's tools and macOS itself.

`tart export` reads the whole disk and packs it: the guest is down for as long as that takes, and
tens of gigabytes are written (reference/tart.md §1.7). Tart encrypts nothing, and says of no file
whether it is whole: its SHA-256 lies beside it. All of it is done by the guest's owner, in a folder
of theirs; root touches nothing there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from clawkeep import tart
from clawkeep.backup.errors import BackupError
from clawkeep.onhost import world
from clawkeep.onhost.plain import plain
from clawkeep.policy import Policy, PolicyError

EXPORT_S = 6 * 3600

# $1 tart, $2 the VM, $3 the file under its other name, $4 its name. What a killed one has left goes
# first. `ln` puts nothing over what came there meanwhile.
EXPORT = r"""set -eu; umask 077
trap 'rm -f "$3" "$3.sha256"' EXIT
rm -f "$3" "$3.sha256"
"$1" export "$2" "$3" >&2
d=$(shasum -a 256 "$3" | cut -c 1-64); [ ${#d} = 64 ]
printf '%s  %s\n' "$d" "$(basename "$4")" > "$3.sha256"
mv -f "$3.sha256" "$4.sha256"
ln "$3" "$4"
"""

CHECK = 'cd "$(dirname "$1")" && shasum -a 256 -c "$(basename "$1").sha256"'


def export(file: Path, lock: int) -> int:
    """Export the declared guest into a new file; return its size in bytes.

    `lock` is a descriptor that the export inherits: killed over it, nobody starts the guest before
    it has ended. Raises BackupError.
    """
    if not file.is_absolute() or not file.parent.is_dir():
        raise BackupError(f"{file}: name a new file in a folder of the host that is there")
    if os.path.lexists(file):
        raise BackupError(f"{file} is there already; nothing was done")
    policy = _policy()
    disk = _stopped(policy)
    if (room := shutil.disk_usage(file.parent).free) < disk:
        raise BackupError(
            f"{file.parent} has room for {room / 1e9:.0f} GB; the disk has {disk / 1e9:.0f} GB, "
            "and nobody knows before how far it can be packed"
        )
    part = file.with_name(f".{file.name}.part")
    _owners(policy, EXPORT, [tart.TART, policy.guest, str(part), str(file)], "tart export", lock)
    return file.stat().st_size


def check(file: Path) -> str:
    """Compare an exported file with the digest beside it; return "" or what is wrong.

    Raises BackupError when there is nothing to compare.
    """
    for path in (file, _digest(file)):
        if not path.is_file():
            raise BackupError(f"{path} is not there")
    try:
        _owners(_policy(), CHECK, [str(file)], "shasum")
    except BackupError as error:
        return f"{file} is not what was exported: {error}"
    return ""


def _digest(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _policy() -> Policy:
    try:
        return world.policy()
    except PolicyError as error:
        raise BackupError(str(error)) from error


def _owners(policy: Policy, script: str, words: list[str], what: str, *inherited: int) -> None:
    command = ["/bin/sh", "-c", script, "sh", *words]
    options = world.owner(policy)
    try:
        done = world.run(command, timeout_s=EXPORT_S, pass_fds=inherited, **options)
    except subprocess.TimeoutExpired as error:
        raise BackupError(f"{what} was not done after {EXPORT_S // 3600} h") from error
    except subprocess.SubprocessError as error:
        raise BackupError(f"{what}: {error}") from error
    if done.returncode != 0:
        raise BackupError(f"{what}: {plain(done.stderr.strip()[-300:], 300) or done.returncode}")


def _stopped(policy: Policy) -> int:
    """Return the size of the guest's disk in bytes. Raises BackupError while it runs."""
    try:
        listing = world.as_owner(policy, tart.list_local()).stdout
        found = {vm.name: vm for vm in tart.parse_list(listing)}.get(policy.guest)
    except (tart.TartError, subprocess.SubprocessError) as error:
        raise BackupError(str(error)) from error
    if found is None:
        raise BackupError(f"there is no VM {policy.guest}")
    if found.state != "stopped":
        raise BackupError(
            f"{policy.guest} is {found.state}: a file of it would be torn; `clawkeep vm stop` "
            "first, and `clawkeep apply` afterwards"
        )
    return found.disk_gb * 1000**3
