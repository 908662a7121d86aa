"""The service itself: answers programs on the unix socket, one thread each.

`vm.start` and `softnet.open` hold their connection for the life of what they started: when the
program at the other end goes, however it goes, the guest's power is cut, or its network.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ..calls import record
from .bridge import ip, unshare
from .disks import Disks, NoSuchDiskError
from .machines import Machines
from .wire import GUESTS_FOLDER, SOCKET, Line, RefusedError


class Service:
    """Requests by name. Each handler gets the connection, the request and the caller's uid."""

    def __init__(self) -> None:
        self.disks = Disks()
        self.machines = Machines(self.disks)
        self._handlers: dict[str, Callable[[Line, dict[str, Any], int], dict[str, Any] | None]] = {
            "disk.from_image": lambda _l, r, _u: {"uuid": self.disks.from_image(r["image"])},
            "disk.clone": lambda _l, r, _u: {"uuid": self.disks.clone(r["uuid"])},
            "disk.delete": self._delete,
            "disk.export": self._export,
            "disk.import": lambda line, _r, _u: {"uuid": self.disks.read_archive(_file(line))},
            "vm.start": self.machines.start,
            "softnet.open": self.machines.open_softnet,
        }

    def serve(self, listener: socket.socket) -> None:
        """Answer for ever."""
        threading.Thread(target=self._renew_leases, daemon=True).start()
        while True:
            connected, _ = listener.accept()
            threading.Thread(target=self._answer, args=(connected,), daemon=True).start()

    def _answer(self, connected: socket.socket) -> None:
        line = Line(connected)
        with connected, contextlib.suppress(OSError):
            uid = _peer_uid(connected)
            while (request := line.receive()) is not None:
                line.send(self._reply(line, request, uid))

    def _reply(self, line: Line, request: dict[str, Any], uid: int) -> dict[str, Any]:
        try:
            answer = self._handlers[request["op"]](line, request, uid)
        except RefusedError as error:
            return {"ok": False, "error": str(error), "code": error.code}
        except NoSuchDiskError as error:
            return {"ok": False, "error": f"no such disk: {error}", "code": "no-disk"}
        except (OSError, RuntimeError, ValueError, KeyError, subprocess.SubprocessError) as error:
            print(f"{request.get('op')}: {error!r}", file=sys.stderr, flush=True)
            return {"ok": False, "error": str(error), "code": "internal"}
        return {"ok": True, **(answer or {})}

    def _delete(self, _line: Line, request: dict[str, Any], _uid: int) -> None:
        self.disks.delete(request["uuid"])

    def _export(self, line: Line, request: dict[str, Any], _uid: int) -> None:
        self.disks.write_archive(request["uuid"], _file(line))

    def _renew_leases(self) -> None:
        while True:
            time.sleep(30)
            with contextlib.suppress(OSError, RuntimeError):
                self.machines.renew_leases()


def _file(line: Line) -> int:
    if not line.descriptors:
        raise RefusedError("a file must come with this request")
    return line.descriptors.pop()


def _peer_uid(connected: socket.socket) -> int:
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("iII", credentials)[1])


def _clean_up() -> None:
    """Take away what a service that was killed has left: its guests died with it."""
    shutil.rmtree(GUESTS_FOLDER, ignore_errors=True)
    os.makedirs(GUESTS_FOLDER)
    for name in os.listdir("/sys/class/net"):
        if name.startswith("vmenet"):
            ip(f"link del {name}")
        elif name.startswith("bridge"):
            unshare(name)
            ip(f"link del {name}")


def main(argv: list[str]) -> int:
    """Run the service until it is killed."""
    record(argv, mutates=False)
    _clean_up()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(SOCKET)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(SOCKET)
    os.chmod(SOCKET, 0o666)
    listener.listen(64)
    Service().serve(listener)
    return 0
