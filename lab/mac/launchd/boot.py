"""Bring process 1 up: folders, loop, signals, control socket, jobs; serve to the end."""

import contextlib
import os
import signal

from . import log, machine, paths
from .control import Server
from .loop import Loop
from .requests import Requests

PROCESS_NAME = b"launchd"
PR_SET_NAME = 15


def main() -> int:
    """Run the machine; return 0 for a halt, 65 when a reboot was asked for."""
    _name_process()
    os.umask(0o022)
    os.chdir("/")
    for file in (paths.SOCKET, paths.LOG, f"{paths.OVERRIDES}/x"):
        os.makedirs(os.path.dirname(paths.at(file)), exist_ok=True)
    loop = Loop()
    running = machine.Machine(loop)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    loop.on_signal(signal.SIGCHLD, running.reap)
    loop.on_signal(signal.SIGTERM, lambda: running.shut_down(machine.HALT_STATUS))
    loop.on_signal(signal.SIGINT, lambda: running.shut_down(machine.REBOOT_STATUS))
    Server(loop, Requests(running).handle)
    _read_accounts()
    log.write("system", "boot")
    running.boot()
    status = loop.run()
    log.write("system", f"bye ({status})")
    return status


def _read_accounts() -> None:
    """Know only the accounts that are on the disk, before any job asks for its user.

    On a Mac nobody learns of an account but from opendirectoryd, which starts with what it wrote.
    """
    if not paths.ROOT:  # not the tests' scratch machine
        from ..macos import directory  # noqa: PLC0415

        directory.restore()


def _name_process() -> None:
    import ctypes  # noqa: PLC0415

    with contextlib.suppress(OSError):
        ctypes.CDLL(None).prctl(PR_SET_NAME, PROCESS_NAME, 0, 0, 0)
