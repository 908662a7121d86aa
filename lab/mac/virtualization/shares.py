"""Folders of the host in a guest: real bind mounts where virtiofs would put them.

Source: reference/tart.md §1.5 (--dir), §7.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..machine_root import Bind

SHARES_FOLDER = "/Volumes/My Shared Files"
AUTOMOUNT_TAG = "com.apple.virtio-fs.automount"


@dataclass(frozen=True)
class Share:
    """One shared folder. An empty name: its content is the whole share of its tag."""

    name: str
    path: str
    read_only: bool
    tag: str = AUTOMOUNT_TAG

    def bind(self) -> Bind:
        """Return the mount; a share with a tag of its own waits in a folder of the lab."""
        automatic = self.tag == AUTOMOUNT_TAG
        place = SHARES_FOLDER if automatic else f"/System/Lab/shares/{self.tag}"
        target = f"{place}/{self.name}" if self.name else place
        return Bind(self.path, target, writable=not self.read_only)
