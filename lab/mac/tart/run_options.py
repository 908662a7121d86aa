"""What `tart run` checks before it touches the VM.

Source: reference/tart.md §1.5 (Run.validate).
"""

from __future__ import annotations

from . import local_storage
from .arguments import Values
from .errors import TartError, UsageError
from .softnet_process import OPTIONS as SOFTNET_OPTIONS
from .vm_directory import VMDirectory

SYNC_MODES = ("none", "fsync", "full", "")
CACHING_MODES = ("automatic", "cached", "uncached", "")


def network_of(values: Values) -> str:
    """Return shared, softnet, host or bridged. Raises UsageError for more than one."""
    softnet = "net-softnet" in values.flags or any(one in values.options for one in SOFTNET_OPTIONS)
    chosen = [
        name
        for name, wanted in (
            ("bridged", bool(values.repeated["net-bridged"])),
            ("softnet", softnet),
            ("host", "net-host" in values.flags),
        )
        if wanted
    ]
    if len(chosen) > 1:
        raise UsageError("--net-bridged, --net-softnet and --net-host are mutually exclusive")
    return chosen[0] if chosen else "shared"


def validate(values: Values) -> VMDirectory:
    """Check the options in tart's order; return the VM. Raises UsageError, TartError."""
    flags = values.flags
    if {"vnc", "vnc-experimental"} <= flags:
        raise UsageError("--vnc and --vnc-experimental are mutually exclusive")
    network_of(values)
    if {"graphics", "no-graphics"} <= flags:
        raise UsageError("--graphics and --no-graphics are mutually exclusive")
    if flags & {"no-graphics", "vnc", "vnc-experimental"} and "capture-system-keys" in flags:
        raise UsageError("--captures-system-keys can only be used with the default VM view")
    vm = local_storage.open_vm(values.positionals[0])
    if "suspendable" in flags or vm.state == "suspended":
        for name in ("no-trackpad", "no-keyboard", "no-pointer"):
            if name in flags:
                raise UsageError(f"--{name} cannot be used with --suspendable")
    if "provisioning-opts" in values.options:
        raise UsageError("--provisioning-opts requires the host to be running macOS 27 (or newer)")
    return vm


def check_devices(values: Values) -> None:
    """Check what becomes part of the VM's configuration. Raises UsageError, TartError."""
    for option in values.options.get("root-disk-opts", "").split(","):
        key, _, value = option.partition("=")
        if key == "sync" and value not in SYNC_MODES:
            raise TartError(f'unsupported disk image synchronization mode: "{value}"')
        if key == "caching" and value not in CACHING_MODES:
            raise TartError(f'unsupported disk image caching mode: "{value}"')
    if "nested" in values.flags:
        raise TartError("macOS virtual machines do not support nested virtualization")
    if values.repeated["net-bridged"]:
        wanted = ", ".join(f'"{name}"' for name in values.repeated["net-bridged"])
        raise UsageError(
            f'no bridge interfaces matched "[{wanted}]", '
            'available interfaces: ["en0 (or \\"Ethernet\\")"]'
        )
    if values.repeated["disk"] or "rosetta" in values.options:
        raise TartError("--disk and --rosetta are not supported by the lab")
