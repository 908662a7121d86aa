"""The guests that run on this host: how many may, for whom, and on which network."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
import threading
import time
from typing import Any

from ..softnet.policy import Policy
from . import subnet
from .disks import Disks
from .guest import Guest, Hardware
from .leases import SOFTNET_LEASE_S
from .network import Network
from .shares import Share
from .wire import Line, RefusedError

MACOS_GUEST_LIMIT = 2
# How many places macOS still counts for guests that have ended; gone with a reboot, as all in run.
# A test writes it: nobody knows what makes macOS lose one (reference/tart.md §4: tart#1217).
LEAKED_SLOTS = "/private/var/run/lab-leaked-slots"
# How long a guest whose `tart run` has gone may still hold its disk and its slot (tart#967).
DYING_S = 5.0
LOCKED_ERROR = 'Error Domain=VZErrorDomain Code=2 "Failed to lock auxiliary storage."'
KEYCHAIN_ERROR = (
    'Error Domain=VZErrorDomain Code=-9 "Failed to generate keypair." '
    "UserInfo={NSLocalizedFailure=The virtual machine failed to start., "
    "NSLocalizedFailureReason=SecKeyCreateRandomKey_ios failed, NSUnderlyingError=0x6000009f4c60 "
    '{Error Domain=NSOSStatusErrorDomain Code=-25308 "errSecInteractionNotAllowed: '
    'Interaction is not allowed with the Security Server."}}'
)


class Machines:
    """All guests and networks of the host. Safe for threads."""

    def __init__(self, disks: Disks) -> None:
        self._disks = disks
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._running: list[Guest] = []
        self._networks: dict[str, Network] = {}

    def start(self, line: Line, request: dict[str, Any], uid: int) -> None:
        """Run a guest while the caller stays on the line. Raises RefusedError.

        The caller is sent {"event": "started"}, and at the end {"event": "stopped"|"crashed"}.
        """
        _require_keychain(uid)
        disk = self._disks.attach(request["disk"])
        network = self._network(request["network"])
        softnet = request["network"] != "shared"
        hardware = Hardware(
            name=request["name"],
            disk=disk,
            mac=request["mac"],
            cpu=request["cpu"],
            memory_mb=request["memory_mb"],
            disk_gb=request["disk_gb"],
            shares=[Share(**share) for share in request["shares"]],
        )
        guest = Guest(hardware, network, softnet)
        over = threading.Event()

        def ended(reason: str) -> None:
            self._forget(guest)
            self._disks.detach(request["disk"])
            event, _, detail = reason.partition(": ")
            with contextlib.suppress(OSError):
                line.send({"ok": True, "event": event, "detail": detail})
            over.set()

        try:
            self._admit(guest)
            try:
                guest.start(ended)
            except BaseException:
                self._forget(guest)
                raise
        except BaseException:
            self._disks.detach(request["disk"])
            raise
        line.send({"ok": True, "event": "started", "vsock": guest.vsock})
        while line.receive() is not None:
            guest.cut()
        guest.cut()
        over.wait()

    def open_softnet(self, line: Line, request: dict[str, Any], uid: int) -> None:
        """Filter a guest's port while softnet stays on the line. Raises RefusedError.

        Only root opens vmnet: the caller is root, or the program it runs is SUID root.
        """
        if uid != 0 and not is_suid_root(request.get("program", "")):
            raise RefusedError("vmnet: operation not permitted", "permission")
        subnet.set_lease_s(SOFTNET_LEASE_S)
        network = self._network("host" if request["net_type"] == "host" else "softnet")
        gateway = str(network.gateway)
        mac = request["mac"]
        try:
            network.set_policy(mac, Policy.parse(request["allow"], request["block"], gateway))
            line.send({"ok": True, "gateway": gateway})
            while (change := line.receive()) is not None:
                policy = Policy.parse(change["allow"], change["block"], gateway)
                network.set_policy(mac, policy)
                line.send({"ok": True})
        finally:
            network.set_policy(mac, None)

    def renew_leases(self) -> None:
        """Keep the leases of running guests alive."""
        for network in list(self._networks.values()):
            network.renew_all()

    def _admit(self, guest: Guest) -> None:
        """Count a guest in, after those that are just dying. Raises RefusedError."""
        deadline = time.monotonic() + DYING_S
        with self._changed:
            while refusal := self._refusal(guest):
                left = deadline - time.monotonic()
                if left <= 0 or not any(one.dying for one in self._running):
                    raise refusal
                self._changed.wait(left)
            self._running.append(guest)

    def _refusal(self, guest: Guest) -> RefusedError | None:
        if any(one.hardware.disk == guest.hardware.disk for one in self._running):
            return RefusedError(LOCKED_ERROR, "locked")
        if len(self._running) + leaked_slots() >= MACOS_GUEST_LIMIT:
            return RefusedError("virtual machine limit exceeded", "limit")
        return None

    def _forget(self, guest: Guest) -> None:
        with self._changed:
            self._running.remove(guest)
            self._changed.notify_all()

    def _network(self, kind: str) -> Network:
        """Return the network of a kind; shared and softnet guests share one bridge."""
        wanted = subnet.host_only() if kind == "host" else subnet.shared()
        with self._lock:
            network = self._networks.get(wanted.bridge)
            if network is None or (network.subnet != wanted and network.idle):
                network = self._networks[wanted.bridge] = Network(wanted)
            return network


def leaked_slots() -> int:
    """Return how many places are taken by nobody."""
    try:
        with open(LEAKED_SLOTS, encoding="ascii") as file:
            return int(file.read() or 0)
    except FileNotFoundError:
        return 0


def is_suid_root(program: str) -> bool:
    """Say whether a file is one that root owns and that runs as its owner."""
    try:
        status = os.stat(program)
    except OSError:
        return False
    return status.st_uid == 0 and bool(status.st_mode & stat.S_ISUID)


def _require_keychain(uid: int) -> None:
    """Refuse as macOS 15 does without an unlocked login keychain (tart.md §4)."""
    home = pwd.getpwuid(uid).pw_dir
    keychain = f"{home}/Library/Keychains/login.keychain-db"
    marker = f"/private/var/run/keychain-unlocked-{uid}"
    if not (os.path.exists(keychain) and os.path.exists(marker)):
        raise RefusedError(KEYCHAIN_ERROR, "keychain")
