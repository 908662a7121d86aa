"""`tart ip`: three ways to find a guest's address. Source: reference/tart.md §1.6 (IP.swift)."""

from __future__ import annotations

import re
import subprocess
import time

from ..guestagent import client
from ..virtualization.leases import LEASES_FILE, full_mac
from . import local_storage
from .arguments import Values
from .errors import OtherError, TartError, UsageError
from .vm_directory import VMDirectory

MAX_WAIT_S = 2**16 - 1
_ARP = "/usr/sbin/arp"
_ARP_LINE = re.compile(r".* \((?P<ip>.*)\) at (?P<mac>.*) on (?P<interface>.*) .*")


def ip(values: Values) -> int:
    """`tart ip NAME`: one attempt, then one a second until --wait is over."""
    wait = values.integer("wait", MAX_WAIT_S) or 0
    resolver = values.options.get("resolver", "dhcp")
    if resolver not in ("dhcp", "arp", "agent"):
        raise UsageError(
            f"The value '{resolver}' is invalid for '--resolver <resolver>'. "
            "Please provide one of 'dhcp', 'arp' and 'agent'."
        )
    vm = local_storage.open_vm(values.positionals[0])
    mac = full_mac(vm.config()["macAddress"])
    until = time.monotonic() + wait
    while True:
        found = _resolve(vm, mac, resolver)
        if found:
            print(found)
            return 0
        time.sleep(1)
        if time.monotonic() >= until:
            break
    message = "no IP address found"
    if not vm.running_pid():
        message += ", is your VM running?"
    if resolver == "agent":
        message += " (also make sure that Guest agent for Tart is running inside of a VM)"
    raise TartError(message)


def _resolve(vm: VMDirectory, mac: str, resolver: str) -> str | None:
    if resolver == "dhcp":
        return by_lease(mac)
    if resolver == "arp":
        return _by_arp(mac)
    return client.resolve_ip(vm.path)


def by_lease(mac: str) -> str | None:
    """Look in bootpd's file; whether the VM runs does not matter. Raises OtherError."""
    try:
        with open(LEASES_FILE, encoding="utf-8") as file:
            return newest_lease(file.read(), mac, time.time())
    except FileNotFoundError:
        return None


def newest_lease(text: str, mac: str, now: float) -> str | None:
    """Return the address of the unexpired lease of `mac` that ends last. Raises OtherError."""
    best: tuple[int, str] | None = None
    for fields in _raw_leases(text):
        kind, comma, address = fields.get("hw_address", "").partition(",")
        if not comma or kind not in ("1", "01") or not {"ip_address", "lease"} <= fields.keys():
            continue
        ends = int(fields["lease"], 16)
        if full_mac(address) == mac and ends > now and (best is None or ends > best[0]):
            best = (ends, fields["ip_address"])
    return best[1] if best else None


def _raw_leases(text: str) -> list[dict[str, str]]:
    """Read the blocks as strictly as tart does: a half-written file is an error."""
    leases: list[dict[str, str]] = []
    block: dict[str, str] | None = None
    for number, line in enumerate((one for one in text.split("\n") if one), start=1):
        words = line.lstrip(" \t")
        if line == "{":
            if block is not None:
                raise _unexpected("unexpected lease block start ({)", number)
            block = {}
        elif line == "}":
            if not block:
                raise _unexpected("unexpected lease block end (})", number)
            leases.append(block)
            block = None
        elif words:
            key, equals, value = words.partition("=")
            if not equals:
                raise _unexpected("key-value pair with only a key", number)
            block = (block or {}) | {key: value}
    if block is not None:
        raise OtherError('Truncated(name: "truncated DHCPD leases file")')
    return leases


def _unexpected(message: str, line: int) -> OtherError:
    return OtherError(
        'UnexpectedFormat(name: "unexpected DHCPD leases file format", '
        f'message: "{message}", line: {line})'
    )


def _by_arp(mac: str) -> str | None:
    run = subprocess.run([_ARP, "-an"], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise OtherError(f"arp command failed: exit code {run.returncode}")
    if not run.stdout:
        raise OtherError("arp command yielded invalid output: empty output")
    for line in run.stdout.strip().split("\n"):
        match = _ARP_LINE.fullmatch(line)
        if not match:
            raise OtherError(f'arp command yielded invalid output: unparseable entry "{line}"')
        if match["mac"] != "(incomplete)" and full_mac(match["mac"]) == mac:
            return match["ip"]
    return None
