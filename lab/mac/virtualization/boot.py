"""The process a guest hangs on: its namespaces, its process 1, and that one's status.

Its death, or the service's, is the guest's power cut. Reads one JSON line on stdin (see
Guest._boot), writes `ready` when its network exists, waits for `go`, writes `pid N` when process 1
runs. Exit status: that of process 1; 128+N for a signal.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import sys
from typing import Any

from .. import machine_root, namespaces
from .shares import Share

HOST_NAME = "Manageds-Virtual-Machine.local"
# What a guest's kernel allows: ping without root, as on a Mac.
_SYSCTLS = {"/proc/sys/net/ipv4/ping_group_range": "0 2147483647"}
# Module, rawio, admin, time, mknod: what would let a guest's root remount a read-only share, or
# touch the real machine. A VM's root has none of that over its host.
_NEVER_IN_A_GUEST = (16, 17, 21, 25, 27)
_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24


def main() -> int:
    """Run one guest until it ends."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    namespaces.unshare(
        namespaces.CLONE_NEWNS
        | namespaces.CLONE_NEWPID
        | namespaces.CLONE_NEWNET
        | namespaces.CLONE_NEWUTS
        | namespaces.CLONE_NEWIPC
    )
    print("ready", flush=True)
    if sys.stdin.readline() != "go\n":
        return 1
    pid = os.fork()
    if pid == 0:
        _become_process_1(order)
    print(f"pid {pid}", flush=True)
    _cut_when_the_service_goes(pid)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become_process_1(order: dict[str, Any]) -> None:
    """Never returns."""
    try:
        os.setsid()
        _limit()
        disk = order["disk"]
        # macOS empties /tmp when it boots; over the image's own, the disk's folder holds the rest.
        shutil.rmtree(f"{disk}/upper/private/tmp", ignore_errors=True)
        binds = machine_root.guest_binds()
        binds += [machine_root.Bind(**bind) for bind in order["binds"]]
        binds += [Share(**share).bind() for share in order["shares"]]
        root = machine_root.Root(
            mount_point=f"{disk}/root",
            layers=[f"{machine_root.LAB}/images/guest"],
            upper=f"{disk}/upper",
            work=f"{disk}/work",
            binds=binds,
        )
        for path, value in _SYSCTLS.items():
            with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as file:
                file.write(value)
        machine_root.boot(root, HOST_NAME, order["console"])
    except BaseException as error:  # noqa: BLE001 - this is a child: nothing above may see it
        print(f"guest does not boot: {error!r}", file=sys.stderr, flush=True)
    os._exit(71)


def _limit() -> None:
    """Die with the helper; lose, from the next exec on, what no guest's root may have."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    for capability in _NEVER_IN_A_GUEST:
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "PR_CAPBSET_DROP")


def _cut_when_the_service_goes(pid: int) -> None:
    """Wait for the end of process 1, or of stdin; a thread could not be started here."""
    ended = os.pidfd_open(pid)
    ready, _, _ = select.select([ended, 0], [], [])
    if ended not in ready:
        os.kill(pid, signal.SIGKILL)
