"""A VM or a cached image, whichever a name means. Source: VMStorageHelper.swift."""

from __future__ import annotations

from . import local_storage, oci_storage, remote_name
from .errors import VMDoesNotExistError
from .vm_directory import VMDirectory


def open_any(name: str) -> VMDirectory:
    """Return what `name` means. Raises VMDoesNotExistError, TartError."""
    remote = remote_name.parse_or_none(name)
    return oci_storage.open_image(remote) if remote else local_storage.open_vm(name)


def delete_any(name: str) -> None:
    """Delete what `name` means. Raises VMDoesNotExistError, VMIsRunningError."""
    remote = remote_name.parse_or_none(name)
    if remote:
        oci_storage.delete(remote)
        return
    vm = local_storage.directory(name)
    if not vm.path.exists():
        raise VMDoesNotExistError(name)
    vm.delete()
