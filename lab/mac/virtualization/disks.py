"""The guests' disks: folders that hold what a guest has changed over the bare system.

A disk is /System/Lab/disks/<uuid>/upper; the file disk.img of a VM only names it. So copying a VM
really copies what is on its disk, and deleting it really loses that.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import uuid

DISKS_FOLDER = "/System/Lab/disks"
IMAGES_FOLDER = "/System/Lab/images"
AGENT_FILES = (
    "Library/LaunchDaemons/org.cirruslabs.tart-guest-daemon.plist",
    "Library/LaunchAgents/org.cirruslabs.tart-guest-agent.plist",
)
_LINUX = "/System/Lab/linux/bin"


class NoSuchDiskError(Exception):
    """The disk.img names a disk that is not there, or nothing that could be a disk."""


class Disks:
    """All disks of one host, with the care that a disk in use is not taken from its guest."""

    def __init__(self, folder: str = DISKS_FOLDER, images: str = IMAGES_FOLDER) -> None:
        self._folder = folder
        self._images = images
        self._lock = threading.Lock()
        self._in_use: dict[str, int] = {}
        self._doomed: set[str] = set()

    def path(self, name: str) -> str:
        """Return a disk's folder. Raises NoSuchDiskError."""
        if not re.fullmatch(r"[0-9a-f-]{36}", name) or not os.path.isdir(f"{self._folder}/{name}"):
            raise NoSuchDiskError(name)
        return f"{self._folder}/{name}"

    def from_image(self, image: str) -> str:
        """Make the disk that an image ships (`macos-sequoia-base`, …); return its name."""
        short = image.removeprefix("macos-")
        content = f"{self._images}/{short}.disk"
        if os.path.isdir(content):
            return self._copy(content)
        if short != "sequoia-vanilla":
            raise NoSuchDiskError(image)
        name = self._copy(f"{self._images}/sequoia-base.disk")
        self._without_extras(f"{self._folder}/{name}/upper")
        return name

    def clone(self, name: str) -> str:
        """Copy a disk as it is this moment, running guest or not; return the copy's name."""
        return self._copy(f"{self.path(name)}/upper")

    def delete(self, name: str) -> None:
        """Delete a disk; one in use goes when its guest has stopped, as an unlinked file would."""
        folder = self.path(name)
        with self._lock:
            if name in self._in_use:
                self._doomed.add(name)
                return
        shutil.rmtree(folder, ignore_errors=True)

    def attach(self, name: str) -> str:
        """Take a disk into use and return its folder. Raises NoSuchDiskError."""
        folder = self.path(name)
        with self._lock:
            self._in_use[name] = self._in_use.get(name, 0) + 1
        return folder

    def detach(self, name: str) -> None:
        """Give a disk back; it is deleted now if that was asked for meanwhile."""
        with self._lock:
            left = self._in_use.pop(name, 1) - 1
            if left:
                self._in_use[name] = left
            doomed = not left and name in self._doomed
        if doomed:
            self._doomed.discard(name)
            self.delete(name)

    def write_archive(self, name: str, descriptor: int) -> None:
        """Write a disk's content to an open file, as tar. Raises CalledProcessError."""
        self._tar(["-C", f"{self.path(name)}/upper", "-cf", "-", "."], stdout=descriptor)

    def read_archive(self, descriptor: int) -> str:
        """Make a disk of what `write_archive` wrote; return its name."""
        name = self._new()
        self._tar(["-C", f"{self._folder}/{name}/upper", "-xpf", "-"], stdin=descriptor)
        return name

    def _tar(self, words: list[str], stdin: int | None = None, stdout: int | None = None) -> None:
        command = [f"{_LINUX}/tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", *words]
        subprocess.run(command, stdin=stdin, stdout=stdout, check=True)

    def _new(self) -> str:
        name = str(uuid.uuid4())
        for part in ("upper", "work", "root"):
            os.makedirs(f"{self._folder}/{name}/{part}", mode=0o755)
        return name

    def _copy(self, content: str) -> str:
        name = self._new()
        target = f"{self._folder}/{name}/upper"
        cp = "/System/Lab/linux/bin/cp"
        # A file may vanish under the copy of a running guest: crash-consistent, no error.
        subprocess.run(
            [cp, "-a", "--reflink=auto", f"{content}/.", target], capture_output=True, check=False
        )
        return name

    def _without_extras(self, upper: str) -> None:
        """Turn the base image's content into the vanilla's: no Homebrew, no guest agent."""
        shutil.rmtree(f"{upper}/opt/homebrew", ignore_errors=True)
        for file in AGENT_FILES:
            if os.path.lexists(f"{upper}/{file}"):
                os.unlink(f"{upper}/{file}")
