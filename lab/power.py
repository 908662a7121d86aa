"""The host's power: it boots, ends, and boots again, while its LAN and the internet stay.

Runs in the world's loop. A host that ends with launchd's status for a reboot comes back by itself,
as after `shutdown -r`; one that was switched off stays off until `on`. Its disk stays, /var/run and
/tmp are emptied, everything in memory (pf, interfaces, guests) is gone.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from lab import addresses, network
from lab.children import Child, spawn
from lab.mac import clock, machine_root, namespaces
from lab.plan import Plan
from lab.state import CLOCK

SOCKET = "power.sock"
REBOOT_STATUS = 65
"""Process 1's exit status when a reboot was asked for (lab/mac/launchd/machine.py)."""

EMPTIED_AT_BOOT = ("private/var/run", "private/tmp")
BANNER_TIMEOUT_S = 15
END_TIMEOUT_S = 20
RETRY_S = 0.01


class PowerError(Exception):
    """The host did not do what was asked; the message says what happened instead."""


class Host:
    """The lab's host, seen from its world. Not safe for threads: it lives in the loop."""

    def __init__(self, plan: Plan, outer_proc: int) -> None:
        self._plan, self._outer_proc = plan, outer_proc
        self._child: Child | None = None
        self._go = -1
        self._end = asyncio.Event()
        self._booting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.boots = 0
        self.stays_up = False  # only a lab that is up boots its host again

    @property
    def child(self) -> Child:
        """The process of this boot."""
        assert self._child is not None
        return self._child

    def make(self) -> Child:
        """Fork process 1 into its namespaces; it waits for `go`.

        The world has threads by the time of a second boot: until it executes its init, the child
        takes no lock that one of them may hold.
        """
        self._go, self._child = spawn(
            lambda go: _become(self._plan, go), self._outer_proc, isolated=True
        )
        self._end.clear()
        return self._child

    def go(self) -> None:
        """Let process 1 boot: its images are there and its cable is plugged in."""
        self.boots += 1
        os.write(self._go, b"\n")
        os.close(self._go)

    async def wait_until_ready(self) -> None:
        """Wait until its sshd shows the banner. Raises OSError."""
        await wait_until_it_answers("the host's sshd", addresses.HOST, 22, self.child, banner=True)

    def ended(self, pid: int, status: int) -> None:
        """Be told of a process that ended: the host's reboots itself where it asked for that."""
        if self._child is None or pid != self._child.inner:
            return
        self._end.set()
        if self.stays_up and os.waitstatus_to_exitcode(status) == REBOOT_STATUS:
            task = asyncio.get_running_loop().create_task(self._boot_again())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def on(self) -> None:
        """Boot, unless it runs. Raises OSError, network.WiringError."""
        async with self._booting:
            if not self._end.is_set():
                return
            folder = Path(self._plan.folder)
            forget(folder)
            child = self.make()
            try:
                network.plug_in(child.inner)
            except network.WiringError:
                os.close(self._go)  # it ends, and the host is off
                raise
            self.go()
            _note(folder, self.child.outer, self.boots)
            await self.wait_until_ready()

    async def off(self) -> None:
        """Cut its power."""
        await self._end_by(signal.SIGKILL)

    async def reboot(self) -> None:
        """Let it shut down in good order, and boot again. Raises PowerError, OSError."""
        if self._end.is_set():
            raise PowerError("the host is off")
        await self._end_by(signal.SIGINT)
        await self.on()

    async def _end_by(self, number: signal.Signals) -> None:
        if self._end.is_set():
            return
        os.kill(self.child.inner, number)
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                await self._end.wait()
        except TimeoutError:
            raise PowerError(f"the host did not end within {END_TIMEOUT_S} s") from None

    async def _boot_again(self) -> None:
        try:
            await self.on()
        except (OSError, network.WiringError) as problem:
            os.write(2, f"lab: the host did not boot again: {problem}\n".encode())


async def serve(folder: Path, host: Host) -> None:
    """Answer `{"power": "on" | "off" | "reboot"}` on a socket in the lab's folder."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        actions = {"on": host.on, "off": host.off, "reboot": host.reboot}
        try:
            await actions[json.loads(await reader.readline())["power"]]()
            answer: dict[str, object] = {"boots": host.boots}
        except (PowerError, OSError, network.WiringError) as problem:
            answer = {"failed": str(problem)}
        except (ValueError, KeyError):
            answer = {"failed": "no such request"}
        with contextlib.suppress(OSError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    listener = socket.socket(socket.AF_UNIX)
    with _inside(folder) as place:
        listener.bind(f"{place}/{SOCKET}")
    await asyncio.start_unix_server(converse, sock=listener)


def ask(folder: Path, power: str, timeout_s: float = 60) -> int:
    """Ask a lab's world for power; return how often its host has booted. Raises PowerError."""
    with socket.socket(socket.AF_UNIX) as line, _inside(folder) as place:
        line.settimeout(timeout_s)
        try:
            line.connect(f"{place}/{SOCKET}")
            line.sendall(json.dumps({"power": power}).encode() + b"\n")
            answer = json.loads(line.makefile().readline())
        except (OSError, ValueError) as problem:
            raise PowerError(f"the lab's world does not answer: {problem}") from problem
    if "failed" in answer:
        raise PowerError(answer["failed"])
    return int(answer["boots"])


async def wait_until_it_answers(
    what: str, address: str, port: int, child: Child, *, banner: bool
) -> None:
    """Wait for a server that belongs to a child, and for SSH's banner if asked. Raises OSError."""
    deadline = asyncio.get_running_loop().time() + BANNER_TIMEOUT_S
    while not await _answers(address, port, banner=banner):
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


def forget(folder: Path) -> None:
    """Empty what a boot finds empty, in the folder of a lab whose host is off."""
    for name in EMPTIED_AT_BOOT:
        shutil.rmtree(folder / "host/upper" / name, ignore_errors=True)


def _become(plan: Plan, go: int) -> None:
    """Be the host's process 1, once told to."""
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
    if os.path.isdir(f"{folder}/{CLOCK}"):
        binds.append(machine_root.Bind(f"{folder}/{CLOCK}", clock.FOLDER))
    root = machine_root.Root(
        mount_point=f"{folder}/host/root",
        layers=[f"{folder}/images/host", f"{folder}/images/guest"],
        upper=f"{folder}/host/upper",
        work=f"{folder}/host/work",
        binds=binds,
    )
    machine_root.boot(root, plan.hostname, f"{folder}/trace/host.log", plan.init)


def _note(folder: Path, pid: int, boots: int) -> None:
    """Tell it to whoever reads lab.json."""
    file = folder / "lab.json"
    facts = json.loads(file.read_text()) | {"host_pid": pid, "boots": boots}
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(facts, indent=1) + "\n")
    temporary.replace(file)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[str]:
    """Give a short path of the folder: a socket's address has 107 bytes at most."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)
