"""`host.mount_point` on macOS: `mount`, whose lines hold blanks.

com.apple.virtio-fs.automount on /Volumes/My Shared Files (virtio-fs, local, noatime)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from testinfra.modules.mountpoint import MountPoint

LINE = re.compile(r"(?P<device>.+?) on (?P<path>/.*) \((?P<filesystem>[^,()]+)(?P<rest>[^()]*)\)")


class DarwinMountPoint(MountPoint):
    """Mounted file systems.

    >>> host.mount_point("/").filesystem
    'apfs'
    """

    @classmethod
    def _iter_mountpoints(cls) -> Iterator[dict[str, Any]]:
        for line in cls.check_output("mount").splitlines():
            if found := LINE.fullmatch(line.strip()):
                options = [word.strip() for word in found["rest"].split(",") if word.strip()]
                yield {
                    "path": found["path"],
                    "device": found["device"],
                    "filesystem": found["filesystem"],
                    "options": options,
                }
