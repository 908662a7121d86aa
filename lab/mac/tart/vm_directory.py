"""A VM's folder: config.json, disk.img, nvram.bin, and who runs it.

Source: reference/tart.md §1.8 (VMDirectory.swift, PIDLock.swift).
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import disk_image, home, vm_config
from .errors import TartError, VMDoesNotExistError, VMIsRunningError

# struct flock of 64-bit Linux: type, whence, (padding) start, length, pid.
_FLOCK = "hhqqi"
MISSING_FILES = (
    "VM is missing files for a supported layout: "
    "standalone requires config.json, disk.img and nvram.bin; "
    "stacked requires config.json, manifest.json, overlay.asif and nvram.bin"
)


class VMDirectory:
    """One VM, local or cached."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.json"
        self.disk = path / "disk.img"
        self.nvram = path / "nvram.bin"
        self.state_file = path / "state.vzvmsave"
        self.control_socket = path / "control.sock"

    @classmethod
    def temporary(cls) -> VMDirectory:
        """Make an empty one in `tmp`."""
        folder = home.home() / "tmp" / str(uuid.uuid4()).upper()
        folder.mkdir()
        return cls(folder)

    @property
    def initialized(self) -> bool:
        """Whether all that makes a VM is there."""
        return all(file.exists() for file in (self.config_file, self.disk, self.nvram))

    def validate(self, name: str) -> None:
        """Raise VMDoesNotExistError or TartError unless this is a whole VM."""
        if not self.path.exists():
            raise VMDoesNotExistError(name)
        if not self.initialized:
            raise TartError(MISSING_FILES)

    def touch(self) -> None:
        """Note the access, by which caches are pruned."""
        with suppress(OSError):
            os.utime(self.path, (time.time(), self.path.stat().st_mtime))

    def config(self) -> dict[str, Any]:
        """Read config.json. Raises FileNotFoundError, OtherError."""
        return vm_config.read(self.config_file)

    def running_pid(self) -> int:
        """Return the pid of the `tart run` that holds the lock on config.json; 0 for none."""
        try:
            descriptor = os.open(self.config_file, os.O_RDWR)
        except OSError:
            return 0
        try:
            asked = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = struct.unpack(
                _FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked)[: struct.calcsize(_FLOCK)]
            )
        finally:
            os.close(descriptor)
        return 0 if kind == fcntl.F_UNLCK else int(pid)

    def lock(self) -> int | None:
        """Take the lock on config.json; return the descriptor that holds it, None if taken."""
        descriptor = os.open(self.config_file, os.O_RDWR)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor

    @property
    def state(self) -> str:
        """running, suspended or stopped."""
        if self.running_pid():
            return "running"
        return "suspended" if self.state_file.exists() else "stopped"

    def clone_to(self, target: VMDirectory, *, new_mac: bool) -> None:
        """Copy this VM; a running one is copied as it is, file after file."""
        for name in ("config.json", "nvram.bin"):
            (target.path / name).write_bytes((self.path / name).read_bytes())
        disk_image.copy(self.disk, target.disk)
        if self.state_file.exists():
            target.state_file.write_bytes(self.state_file.read_bytes())
        if new_mac:
            target.regenerate_mac()

    def regenerate_mac(self) -> None:
        """Give the VM another MAC address; a saved state is lost."""
        config = self.config()
        config["macAddress"] = vm_config.random_mac()
        self.state_file.unlink(missing_ok=True)
        vm_config.save(config, self.config_file)

    def delete(self) -> None:
        """Delete the VM and its disk. Raises VMIsRunningError."""
        try:
            descriptor = self.lock()
        except FileNotFoundError as error:
            raise VMDoesNotExistError(self.path.name) from error
        if descriptor is None:
            raise VMIsRunningError(self.path.name)
        try:
            home.remove(self.path)
        finally:
            os.close(descriptor)

    def disk_gb(self) -> int:
        """Return the disk's size in decimal GB."""
        return self.disk.stat().st_size // disk_image.GB

    def allocated_bytes(self) -> int:
        """Return what the files occupy (the lab does not count the disk's content)."""
        files = (self.config_file, self.disk, self.nvram)
        return sum(file.stat().st_blocks * 512 for file in files)
