"""What this machine must have before a lab can start, told in one sentence when it has not."""

import os
import shutil
from pathlib import Path

from lab.state import LabError, State

PROGRAMS = ("ip", "nft", "nsenter", "setpriv", "sshd", "ssh-keygen", "sudo", "zsh", "dash", "perl")
SEARCH = "/usr/sbin:/usr/bin:/sbin:/bin"
NO_DISK = frozenset({"overlay", "nfs", "nfs4", "fuse", "vfat", "9p", "virtiofs", "aufs"})
"""File systems that cannot hold the upper folder of an overlay."""


def check(state: State) -> None:
    """See that a lab can be started here. Raises LabError with what to do."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: its machines are made of namespaces and mounts")
    missing = [name for name in PROGRAMS if not shutil.which(name, path=SEARCH)]
    if missing:
        raise LabError(f"missing on this machine: {', '.join(missing)}; run: lab/install-needs")
    kind = file_system(state.folder, Path("/proc/self/mountinfo").read_text())
    if kind in NO_DISK:
        raise LabError(
            f"{state.folder.parent} is on {kind}, which cannot hold a lab's disks; "
            "set CLAWKEEP_LAB_ROOT to a folder on ext4, xfs, btrfs or tmpfs"
        )


def file_system(path: Path, mountinfo: str) -> str:
    """Return the type of the file system that a path is or will be on.

    `mountinfo` is the text of /proc/self/mountinfo; of mounts at one place the last counts.
    """
    found = ("", "")
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        place = before.split()[4].replace("\\040", " ")
        if path.is_relative_to(place) and len(place) >= len(found[0]):
            found = (place, after.split()[0])
    return found[1]
