"""pull, push, login, logout, export, import, prune, create. Source: reference/tart.md §1.7."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..virtualization import wire
from . import disk_image, home, local_storage, oci_storage, remote_name, storage
from .arguments import Values
from .errors import TartError, UsageError
from .vm_directory import VMDirectory

_FILES = ("config.json", "nvram.bin", "disk.img", "disk.tar")
_DAY_S = 86_400


def pull(values: Values) -> int:
    """`tart pull REMOTE`: the one way to refresh a cached tag."""
    text = values.positionals[0]
    if local_storage.directory(text).initialized:
        print(f'"{text}" is a local image, nothing to pull here!')
        return 0
    name = remote_name.parse(text)
    print(f"pulling {name}...")
    oci_storage.pull(name, insecure="insecure" in values.flags)
    return 0


def push(values: Values) -> int:
    """`tart push`: the lab's registry takes nothing."""
    storage.open_any(values.positionals[0])
    raise TartError('AuthFailed(why: "the lab\'s registry accepts no pushes", details: "")')


def login(values: Values) -> int:
    """`tart login HOST`: accepted and forgotten; public images need no login."""
    if ("username" in values.options) != ("password-stdin" in values.flags):
        raise UsageError("both --username and --password-stdin are required")
    if "password-stdin" in values.flags:
        sys.stdin.buffer.read()
    return 0


def logout(_values: Values) -> int:
    """`tart logout HOST`."""
    return 0


def create(values: Values) -> int:
    """`tart create`: refused; there is no installer to run in the lab."""
    if "from-ipsw" not in values.options and "linux" not in values.flags:
        raise UsageError("Please specify either a --from-ipsw or --linux option!")
    raise TartError("creating VMs is not supported by the lab: clone an image instead")


def export(values: Values) -> int:
    """`tart export NAME [PATH]`: asks before it overwrites the default path only."""
    name = values.positionals[0]
    path = Path(values.positionals[1] if len(values.positionals) > 1 else f"{name}.tvm")
    if len(values.positionals) == 1 and path.exists():
        print(
            f"file {path} already exists, are you sure you want to overwrite it? (yes, [no])? ",
            end="",
            flush=True,
        )
        if sys.stdin.readline().strip() != "yes":
            return 0
    print("exporting...")
    vm = storage.open_any(name)
    with tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder:
        with open(Path(folder, "disk.tar"), "wb") as file:
            disk = disk_image.disk_of(vm.disk) or ""
            wire.ask({"op": "disk.export", "uuid": disk}, file.fileno())
        for source in (vm.config_file, vm.nvram):
            Path(folder, source.name).write_bytes(source.read_bytes())
        disk_image.write(Path(folder, "disk.img"), "", vm.disk.stat().st_size)
        _tar(["-czSf", str(path.absolute()), "-C", folder, *_FILES], "VM export failed")
    return 0


def import_(values: Values) -> int:
    """`tart import PATH NAME`: replaces NAME as clone does."""
    path, name = values.positionals
    if "/" in name:
        raise UsageError("<name> should be a local name")
    vm = VMDirectory.temporary()
    with home.locked(vm.path):
        print("importing...")
        _tar(["-xzSf", path, "-C", str(vm.path)], "VM import failed")
        archive = vm.path / "disk.tar"
        if not vm.initialized or not archive.exists():
            raise TartError("VM import failed: archive does not contain a runnable VM")
        with open(archive, "rb") as file:
            answer = wire.ask({"op": "disk.import"}, file.fileno())
        archive.unlink()
        disk_image.write(vm.disk, answer["uuid"], vm.disk.stat().st_size)
        with home.locked(home.home()):
            if local_storage.has_mac(vm.config()["macAddress"]):
                vm.regenerate_mac()
            local_storage.move_in(name, vm)
    return 0


def _tar(words: list[str], failure: str) -> None:
    run = subprocess.run(
        ["/System/Lab/linux/bin/tar", *words], capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        raise TartError(f"{failure}: {run.stderr.strip()}")


def prune(values: Values) -> int:
    """`tart prune`: with `--entries vms`, any VM that does not run, snapshots included."""
    days = values.integer("older-than")
    budget_gb = values.integer("space-budget")
    if days is None and budget_gb is None and "gc" not in values.flags:
        raise UsageError("at least one pruning criteria must be specified")
    entries = values.options.get("entries", "caches")
    if entries not in ("caches", "vms"):
        raise UsageError('unsupported --entries value, please specify either "caches" or "vms"')
    if "gc" in values.flags:
        oci_storage.collect_unreferenced()
    if days is not None:
        for vm in _prunable(entries):
            if vm.path.stat().st_atime <= time.time() - days * _DAY_S:
                home.remove(vm.path)
    if budget_gb is not None:
        left = budget_gb * 1024**3
        for vm in sorted(_prunable(entries), key=lambda one: -one.path.stat().st_atime):
            left -= vm.allocated_bytes()
            if left < 0:
                home.remove(vm.path)
    return 0


def _prunable(entries: str) -> list[VMDirectory]:
    if entries == "vms":
        return [vm for vm in local_storage.list_vms() if not vm.running_pid()]
    return [vm for _, vm in oci_storage.list_images() if not os.path.islink(vm.path)]
