"""clone, set, rename, delete: what changes VMs. Source: reference/tart.md §1.3-1.4, §1.7."""

from __future__ import annotations

from . import disk_image, home, local_storage, oci_storage, remote_name, storage, vm_config
from .arguments import Values
from .errors import OtherError, UsageError
from .vm_directory import VMDirectory

MAX_CPU = 2**16 - 1


def clone(values: Values) -> int:
    """`tart clone SOURCE NEW`: replaces NEW without a word, running or not."""
    source_name, new_name = values.positionals
    if "/" in new_name:
        raise UsageError("<new-name> should be a local name")
    concurrency = values.integer("concurrency")
    values.integer("prune-limit")
    if concurrency is not None and concurrency < 1:
        raise UsageError("network concurrency cannot be less than 1")
    remote = remote_name.parse_or_none(source_name)
    if remote and not oci_storage.exists(remote):
        oci_storage.pull(remote, insecure="insecure" in values.flags)
    source = storage.open_any(source_name)
    copy = VMDirectory.temporary()
    with home.locked(copy.path), home.locked(home.home()):
        new_mac = source.state != "suspended" and local_storage.has_mac(
            source.config()["macAddress"]
        )
        source.clone_to(copy, new_mac=new_mac)
        local_storage.move_in(new_name, copy)
    return 0


def set_(values: Values) -> int:
    """`tart set NAME …`: no lock, no check that it runs; the disk last, after the rest is saved."""
    cpu = values.integer("cpu", MAX_CPU)
    memory = values.integer("memory")
    size_gb = values.integer("disk-size", MAX_CPU)
    vm = local_storage.open_vm(values.positionals[0])
    config = vm.config()
    if cpu is not None:
        vm_config.set_cpu(config, cpu)
    if memory is not None:
        vm_config.set_memory(config, memory * vm_config.MIB)
    if "display" in values.options:
        vm_config.set_display(config, values.options["display"])
    config.pop("displayRefit", None)
    if values.flags & {"display-refit", "no-display-refit"}:
        config["displayRefit"] = "display-refit" in values.flags
    if "random-mac" in values.flags:
        config["macAddress"] = vm_config.random_mac()
    if "random-serial" in values.flags:
        config["ecid"] = vm_config.random_ecid()
    vm_config.save(config, vm.config_file)
    if "disk" in values.options:
        raise OtherError("--disk is not supported by the lab")
    if size_gb is not None:
        disk_image.grow(vm.disk, size_gb)
    return 0


def rename(values: Values) -> int:
    """`tart rename OLD NEW`: keeps the MAC; asks nothing of a running VM."""
    name, new_name = values.positionals
    if "/" in new_name:
        raise UsageError("<new-name> should be a local name")
    vm = local_storage.directory(name)
    if not vm.initialized:
        raise UsageError(f"failed to rename a non-existent local VM: {name}")
    if local_storage.directory(new_name).initialized:
        raise UsageError(
            f"failed to rename VM {name}, target VM {new_name} already exists, delete it first!"
        )
    local_storage.move_in(new_name, vm)
    return 0


def delete(values: Values) -> int:
    """`tart delete NAME…`: stops at the first that cannot be deleted."""
    for name in values.positionals:
        storage.delete_any(name)
    return 0
