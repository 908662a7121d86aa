"""$TART_HOME/vms. Source: reference/tart.md §1.3, §1.7 (VMStorageLocal.swift)."""

from __future__ import annotations

import os
from pathlib import Path

from . import home
from .vm_directory import VMDirectory


def folder() -> Path:
    """Return the folder of the local VMs, which may not exist yet."""
    return home.home() / "vms"


def directory(name: str) -> VMDirectory:
    """Return a VM by name, whether it exists or not."""
    return VMDirectory(folder() / name)


def open_vm(name: str) -> VMDirectory:
    """Return an existing VM, noting the access. Raises VMDoesNotExistError, TartError."""
    vm = directory(name)
    vm.validate(name)
    vm.touch()
    return vm


def list_vms() -> list[VMDirectory]:
    """Return all whole VMs, by name."""
    if not folder().is_dir():
        return []
    found = (VMDirectory(entry) for entry in sorted(folder().iterdir()))
    return [vm for vm in found if vm.initialized]


def move_in(name: str, source: VMDirectory) -> None:
    """Put `source` in the place of VM `name`, whatever was there, running or not."""
    target = folder() / name
    target.parent.mkdir(parents=True, exist_ok=True)
    old = source.path.with_name(f"{source.path.name}.old")
    if target.exists():
        os.rename(target, old)
    os.rename(source.path, target)
    if old.exists():
        home.remove(old)


def has_mac(address: str) -> bool:
    """Say whether some local VM has this MAC address."""
    return any(vm.config()["macAddress"] == address for vm in list_vms())
