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
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab import addresses, forwarder, network
from lab.children import Child, pid_in, spawn
from lab.mac import machine_root, namespaces
from lab.services import internet, lan

BANNER_TIMEOUT_S = 15
RETRY_S = 0.01


@dataclass(frozen=True)
class Plan:
    """What the world is told: the lab's folder, the sources of binds, and two descriptors."""

    folder: str
    python: str
    mac: str
    linux: str
    bottles: str
    hostname: str
    init: Sequence[str]
    listener: int
    lock: int

    def to_json(self) -> str:
        """Return the plan as one line."""
        return json.dumps(asdict(self))


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
    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, _reap)
    folder = Path(plan.folder)
    listening = socket.socket(fileno=plan.listener)
    internet_go, internet_child = spawn(lambda go: _internet(plan, go), outer_proc)
    host_go, host_child = spawn(lambda go: _host(plan, go), outer_proc, isolated=True)
    network.wire(host_child.inner, internet_child.inner, internet.all_addresses())
    # Images and certificates are ready when the starter says so.
    if not await asyncio.to_thread(reporter.wait_for, "go"):
        return
    for go in (host_go, internet_go):
        os.write(go, b"\n")
        os.close(go)
    try:
        server = await forwarder.forward(listening, addresses.HOST, 22)
        await lan.serve(folder / "certificates", folder / "log" / "lan.jsonl", internet.names())
        await _wait_until_ready(host_child, internet_child)
    except OSError as problem:
        # When a machine ends, its cables go, and anything may be the first to notice.
        for what, child in (("host", host_child), ("internet", internet_child)):
            if not child.lives:
                raise OSError(f"the lab's {what} ended while it started") from problem
        raise
    reporter.send(ready={"host": host_child.outer, "internet": internet_child.outer})
    if not await asyncio.to_thread(reporter.wait_for, "stay"):
        return
    await server.serve_forever()


def _internet(plan: Plan, go: int) -> None:
    if not os.read(go, 1):
        return
    folder = Path(plan.folder)
    log = folder / "log" / "internet.jsonl"
    asyncio.run(_forever(internet.serve(folder / "certificates", log, Path(plan.bottles))))


async def _forever(start: Awaitable[None]) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, _reap)
    await start
    await asyncio.Event().wait()


def _host(plan: Plan, go: int) -> None:
    if not os.read(go, 1):
        return
    os.close(go)
    folder = plan.folder
    lab = machine_root.LAB
    namespaces.make_private()
    linux = f"{folder}/linux/usr"
    namespaces.mount(
        "overlay", linux, "overlay", options=f"lowerdir={folder}/linux/links:{plan.linux}"
    )
    binds = machine_root.shared_binds(plan.python, plan.mac, linux, plan.bottles, f"{folder}/log")
    binds += [
        machine_root.Bind(f"{folder}/disks", f"{lab}/disks", writable=True),
        machine_root.Bind(f"{folder}/images", f"{lab}/images"),
    ]
    root = machine_root.Root(
        mount_point=f"{folder}/host/root",
        layers=[f"{folder}/images/host", f"{folder}/images/guest"],
        upper=f"{folder}/host/upper",
        work=f"{folder}/host/work",
        binds=binds,
    )
    machine_root.boot(root, plan.hostname, f"{folder}/trace/host.log", plan.init)


async def _wait_until_ready(host: Child, internet_child: Child) -> None:
    """Wait until the host's sshd shows its banner and the internet answers. Raises OSError."""
    probes = {
        "the host's sshd": (addresses.HOST, 22, host),
        "the lab's internet": (addresses.RESOLVERS[-1], 53, internet_child),
    }
    for what, (address, port, child) in probes.items():
        deadline = asyncio.get_running_loop().time() + BANNER_TIMEOUT_S
        while not await _answers(address, port, banner=port == 22):
            if not child.lives:
                raise OSError(f"{what} will not come")
            if asyncio.get_running_loop().time() > deadline:
                raise OSError(f"{what} did not answer within {BANNER_TIMEOUT_S} s")
            await asyncio.sleep(RETRY_S)


async def _answers(address: str, port: int, *, banner: bool) -> bool:
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(address, port)
            found = not banner or (await reader.readline()).startswith(b"SSH-2.0-")
            writer.close()
            return found
    except (OSError, TimeoutError):
        return False


def _prepare_mounts() -> None:
    """Give the lab a /proc of its own pids, and the LAN's sshd a folder to work in."""
    namespaces.make_private()
    namespaces.mount("proc", "/proc", "proc")
    namespaces.mount("tmpfs", "/run", "tmpfs", namespaces.MS_NOSUID, "mode=755,size=1m")
    os.mkdir("/run/sshd", 0o755)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


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
