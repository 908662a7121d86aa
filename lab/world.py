"""The first process of a lab, under which everything else of it lives.

It is process 1 of the lab's pid namespace, so its end, however it comes, is the end of every
process, mount and interface of the lab. It owns the LAN's network namespace, runs the LAN's
services and the forwarder, and has two children: the internet and the host.

Started by `lab.start` as `python -m lab.world <descriptor> <name>`; the descriptor is a socket over
which the plan arrives and the progress goes back, one JSON line each.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab import addresses, forwarder, network, power
from lab.children import Child, pid_in, spawn
from lab.mac import namespaces
from lab.plan import Plan
from lab.power import Host, wait_until_it_answers
from lab.services import internet, lan


class Reporter:
    """The line back to whoever started the lab: `{"ready": …}`, `{"failed": …}`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, **facts: Any) -> None:
        """Send one line; nobody listening any more is no error here."""
        with suppress(OSError):
            self._connection.sendall(json.dumps(facts).encode() + b"\n")

    def wait_for(self, word: str) -> bool:
        """Wait for one line; False when the starter is gone or says something else."""
        line = b""
        while not line.endswith(b"\n"):
            byte = self._connection.recv(1)
            if not byte:
                return False
            line += byte
        return line.decode().strip() == word


def main(arguments: list[str]) -> None:
    """Leave the machine's namespaces, then become the lab's process 1."""
    connection = socket.socket(fileno=int(arguments[1]))
    plan = Plan(**json.loads(_read_line(connection)))
    os.umask(0o022)
    outer_proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    namespaces.unshare(namespaces.CLONE_NEWPID | namespaces.CLONE_NEWNS | namespaces.CLONE_NEWNET)
    if os.fork():
        os._exit(0)
    reporter = Reporter(connection)
    try:
        reporter.send(pid=pid_in(outer_proc))
        _prepare_mounts()
        asyncio.run(_run(plan, reporter, outer_proc))
    except (OSError, network.WiringError, ValueError) as problem:
        reporter.send(failed=str(problem))
        sys.exit(1)


async def _run(plan: Plan, reporter: Reporter, outer_proc: int) -> None:
    """Bring everything up, say so, and stay."""
    host = Host(plan, outer_proc)
    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, lambda: _reap(host.ended))
    folder = Path(plan.folder)
    listening = socket.socket(fileno=plan.listener)
    internet_go, internet_child = spawn(lambda go: _internet(plan, go), outer_proc)
    host_child = host.make()
    network.wire(host_child.inner, internet_child.inner, internet.all_addresses())
    # Images and certificates are ready when the starter says so.
    if not await asyncio.to_thread(reporter.wait_for, "go"):
        return
    host.go()
    os.write(internet_go, b"\n")
    os.close(internet_go)
    try:
        server = await forwarder.forward(listening, addresses.HOST, 22)
        await lan.serve(folder / "certificates", folder / "log" / "lan.jsonl", internet.records())
        await _wait_until_ready(host, internet_child)
        await power.serve(folder, host)
    except OSError as problem:
        # When a machine ends, its cables go, and anything may be the first to notice.
        for what, child in (("host", host_child), ("internet", internet_child)):
            if not child.lives:
                raise OSError(f"the lab's {what} ended while it started") from problem
        raise
    reporter.send(ready={"host": host_child.outer, "internet": internet_child.outer})
    if not await asyncio.to_thread(reporter.wait_for, "stay"):
        return
    host.stays_up = True
    await server.serve_forever()


def _internet(plan: Plan, go: int) -> None:
    if not os.read(go, 1):
        return
    folder = Path(plan.folder)
    log = folder / "log" / "internet.jsonl"
    stock = internet.Stock(folder, Path(plan.bottles))
    asyncio.run(_forever(internet.serve(folder / "certificates", log, stock)))


async def _forever(start: Awaitable[None]) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, _reap)
    await start
    await asyncio.Event().wait()


async def _wait_until_ready(host: Host, internet_child: Child) -> None:
    """Wait until the host's sshd shows its banner and the internet answers. Raises OSError."""
    await host.wait_until_ready()
    await wait_until_it_answers(
        "the lab's internet", addresses.RESOLVERS[-1], 53, internet_child, banner=False
    )


def _prepare_mounts() -> None:
    """Give the lab a /proc of its own pids, and the LAN's sshd a folder to work in."""
    namespaces.make_private()
    namespaces.mount("proc", "/proc", "proc")
    namespaces.mount("tmpfs", "/run", "tmpfs", namespaces.MS_NOSUID, "mode=755,size=1m")
    os.mkdir("/run/sshd", 0o755)


def _reap(ended: Callable[[int, int], None] = lambda _pid, _status: None) -> None:
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended(*found)


def _read_line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = connection.recv(65536)
        if not piece:
            sys.exit(1)
        line += piece
    return line


if __name__ == "__main__":
    main(sys.argv)
