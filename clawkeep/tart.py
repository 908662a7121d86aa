"""What Clawkeep says to `tart`, and how it reads the answers: the one place that knows both.

Only JSON is parsed: the text output changed in 2026, and exit codes alone decide nothing (a
missing VM is 2, but 1 in `run`). Source: reference/tart.md §1.2, §1.6.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

#: Homebrew's link; the commands of an SSH session have no Homebrew on their PATH.
TART = "/opt/homebrew/bin/tart"

#: In `ps -o args=`: a guest of tart's, and the VMs of other hypervisors.
RUN_ARGS = re.compile(r"^\S*\btart run (.*)", re.MULTILINE)
FOREIGN = re.compile(
    r"/(prl_vm_app|vmware-vmx|VirtualBoxVM|QEMULauncher|UTM|VirtualBuddy|lume)(?=\s|$)"
)


class TartError(ValueError):
    """`tart` answered something that is not what its documentation promises."""


@dataclass(frozen=True)
class VM:
    """One line of `tart list`: a local VM."""

    name: str
    state: str
    disk_gb: int

    @property
    def running(self) -> bool:
        """Tell whether a `tart run` holds it."""
        return self.state == "running"


@dataclass(frozen=True)
class Size:
    """What `tart get` says about a VM's size: cores, megabytes, decimal gigabytes."""

    cpu: int
    memory_mb: int
    disk_gb: int


def list_local() -> list[str]:
    """Return the command that lists local VMs as JSON (`--source` takes lower case)."""
    return [TART, "list", "--source", "local", "--format", "json"]


def get(name: str) -> list[str]:
    """Return the command that prints one VM's size as JSON."""
    return [TART, "get", name, "--format", "json"]


def clone(source: str, name: str) -> list[str]:
    """Return the command that clones; the caller must know that `name` is free.

    `tart clone` silently replaces an existing VM, even a running one (reference/tart.md §1.3).
    """
    return [TART, "clone", source, name]


def set_size(name: str, change: Size, now: Size) -> list[str]:
    """Return the command that brings a stopped VM from `now` to `change`.

    Only what differs is set: `set` resets what it is not told, saves CPU and memory before it
    fails on the disk, and refuses to shrink (reference/tart.md §1.4). Raises ValueError for a
    smaller disk.
    """
    if change.disk_gb < now.disk_gb:
        raise ValueError(
            f"{name}: its disk is {now.disk_gb} GB and cannot shrink to {change.disk_gb} GB; "
            f"declare disk_gb >= {now.disk_gb}, or delete the guest and let it be built again"
        )
    command = [TART, "set", name]
    if change.disk_gb != now.disk_gb:
        command += ["--disk-size", str(change.disk_gb)]
    if change.cpu != now.cpu:
        command += ["--cpu", str(change.cpu)]
    if change.memory_mb != now.memory_mb:
        command += ["--memory", str(change.memory_mb)]
    return command


def execute(name: str, command: Sequence[str]) -> list[str]:
    """Return the command that runs `command` in the guest over vsock; there is no shell."""
    return [TART, "exec", name, *command]


def address(name: str) -> str:
    """Return the shell line that prints the guest's address and the resolver that knew it.

    The agent is asked first: it needs no network and cannot be stale; the lease file answers
    for stopped guests too (reference/tart.md §1.6), so a caller checks the state as well.
    """
    ask = f"{TART} ip {shlex.quote(name)} --resolver"
    return (
        f'if ip=$({ask}=agent 2>/dev/null); then echo "$ip agent"; '
        f'elif ip=$({ask}=dhcp 2>/dev/null); then echo "$ip dhcp"; fi'
    )


def parse_list(text: str) -> tuple[VM, ...]:
    """Read the answer of `list_local`. Raises TartError."""
    rows = _json(text)
    if not isinstance(rows, list):
        raise TartError(f"tart list: expected a JSON array, got {text[:80]!r}")
    try:
        return tuple(
            VM(str(row["Name"]), str(row.get("State", "")), int(row.get("Disk", 0)))
            for row in rows
            if row.get("Source", "local") == "local"
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TartError(f"tart list: expected VMs, got {text[:80]!r}: {error!r}") from error


def parse_get(text: str) -> Size:
    """Read the answer of `get`. Raises TartError."""
    row = _json(text)
    if not isinstance(row, dict) or not {"CPU", "Memory", "Disk"} <= row.keys():
        raise TartError(f"tart get: expected CPU, Memory and Disk, got {text[:80]!r}")
    try:
        return Size(int(row["CPU"]), int(row["Memory"]), int(row["Disk"]))
    except (TypeError, ValueError) as error:
        raise TartError(f"tart get: expected whole numbers, got {text[:80]!r}") from error


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise TartError(f"tart: expected JSON, got {text[:80]!r}") from error


def others(processes: str, guest: str) -> tuple[list[str], int]:
    """Return who else runs VMs, by what `ps -axwwo args=` prints: hypervisors, guests of tart's.

    macOS runs two macOS guests at most, whoever started them (reference/tart.md §4).
    """
    runs = [words.split() for words in RUN_ARGS.findall(processes)]
    return sorted(set(FOREIGN.findall(processes))), sum(guest not in words for words in runs)
