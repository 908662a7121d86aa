"""Starting a lab: files, images and the world, in a second; or nothing at all.

The world makes its namespaces while the images are built here.
"""

import compileall
import contextlib
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import bottles, certificates, keys, power, preflight
from lab.ca import Authority
from lab.clock import Clock, preload
from lab.image import linux
from lab.image.build import build
from lab.image.host import OPERATOR, HostIdentity
from lab.launch import CHECKOUT, launch
from lab.mac import machine_root
from lab.state import (
    CLOCK,
    LabError,
    State,
    claimed,
    kill_unready,
    kill_world,
    note_holder,
    start_time,
)

FOLDERS = (
    "log", "trace", "operator", "disks", "images", "host/upper", "host/work", "host/root",
    "linux/usr",
)  # fmt: skip
TRACE_LINES = 12

KEPT = ("certificates", "disks", "host/upper", "images", "linux/links", "operator")
"""What a machine that is off consists of, and its world's names: what an image of it holds."""


@dataclass(frozen=True)
class Options:
    """How a lab's host is set up beyond its name.

    Attributes:
        subnet: gateway address and prefix of the guests' network, as vmnet would choose it.
        bridge: number of the bridge interface that guests are plugged into.
        init: what the host runs as process 1.
        image: a folder that `save` made; the host boots from a copy of it, with its network.
        clock: whether the lab has a clock of its own (lab/clock.py).
    """

    subnet: str = "192.168.64.1/24"
    bridge: int = 100
    init: tuple[str, ...] = machine_root.INIT
    image: Path | None = None
    clock: bool = False

    def network(self) -> dict[str, str]:
        """Return machine.json's `net`. Raises LabError when the subnet is none."""
        try:
            gateway = ipaddress.IPv4Interface(self.subnet)
        except ValueError as problem:
            raise LabError(f"--subnet {self.subnet}: {problem}; expected 192.168.65.1/24") from None
        return {
            "bridge": f"bridge{self.bridge}",
            "gateway": str(gateway.ip),
            "mask": str(gateway.netmask),
            "egress_if": "en0",
        }


def start(state: State, options: Options) -> dict[str, Any]:
    """Start a lab; return its facts (lab.json).

    Raises LabError: the name is held by a process, this is not root, or something failed, whose
    first cause is told. Whatever is raised, Ctrl-C included, nothing is left behind.
    """
    preflight.check(state)
    network = options.network()
    previous = os.umask(0o022)
    try:
        with claimed(state) as lock:
            state.remove()
            return _start(state, options, network, lock)
    finally:
        os.umask(previous)


def _start(state: State, options: Options, network: dict[str, str], lock: int) -> dict[str, Any]:
    began = time.monotonic()
    with _undone_on_failure(state) as undo:
        _make_folders(state)
        clock = Clock.make(state.folder / CLOCK) if options.clock else None
        listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        with listening, launch(state, options.init, listening, lock, clock) as world:
            hello = world.receive()
            undo.pid = hello["pid"]
            undo.started = start_time(undo.pid)
            note_holder(lock, undo.pid)
            compileall.compile_dir(str(CHECKOUT / "lab" / "mac"), quiet=2, workers=1)
            if options.image:
                copy(options.image, state.folder)
                power.forget(state.folder)
            else:
                _prepare(state, network)
            preload(state.folder / "images/guest", wanted=clock is not None)
            world.send("go")
            ready = world.receive()["ready"]
            facts = _facts(state, listening, undo, ready, began)
            world.send("stay")
        return facts


def copy(source: Path, target: Path) -> None:
    """Copy what a machine that is off consists of: owners, modes, devices and all.

    Raises LabError, with what is missing or what `cp` said.
    """
    for name in KEPT:
        if not (source / name).is_dir():
            raise LabError(f"{source} is no image of a lab: it has no {name}")
        shutil.rmtree(target / name, ignore_errors=True)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["cp", "--archive", "--", source / name, target / name],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LabError(f"cannot copy {source / name}: {done.stderr.strip()}")


@dataclass
class _Undo:
    pid: int = 0
    started: int | None = None


@contextlib.contextmanager
def _undone_on_failure(state: State) -> Iterator[_Undo]:
    undo = _Undo()
    try:
        yield undo
    except BaseException as problem:
        if undo.pid:
            kill_world(undo.pid, undo.started)
        else:
            kill_unready(state.name)
        trace = _trace(state)
        state.remove()
        state.lock_file.unlink(missing_ok=True)
        if isinstance(problem, LabError):
            raise LabError(f"{problem}{trace}") from None
        raise


def _make_folders(state: State) -> None:
    state.folder.mkdir(mode=0o755)
    for name in FOLDERS:
        (state.folder / name).mkdir(parents=True)
    calls = state.log / "calls.jsonl"
    calls.touch()
    calls.chmod(0o666)
    bottles.DEFAULT_DIR.mkdir(parents=True, exist_ok=True)


def _prepare(state: State, network: dict[str, str]) -> None:
    """Build images, keys and certificates."""
    authority = Authority()
    certificates.write(state.folder / "certificates", authority)
    operator = keys.generate(f"operator@{state.name}")
    host_keys = keys.host_keys("root@mac-mini.local")
    machine = {"lab": state.name, "role": "host", "name": "host", "net": network}
    identity = HostIdentity(machine, host_keys, operator, bottles.DEFAULT_DIR)
    build(state.folder / "images", authority.pem, identity)
    linux.write_links(state.folder / "linux" / "links")
    _write_operator(state, operator, [pair.public for pair in host_keys.values()])


def _write_operator(state: State, key: keys.KeyPair, host_keys: list[str]) -> None:
    folder = state.folder / "operator"
    private = folder / "id_ed25519"
    private.touch(mode=0o600)
    private.write_text(key.private)
    (folder / "id_ed25519.pub").write_text(f"{key.public}\n")
    (folder / "host_keys").write_text("".join(f"{line}\n" for line in host_keys))


def _facts(
    state: State, listening: socket.socket, undo: _Undo, ready: dict[str, int], began: float
) -> dict[str, Any]:
    port = listening.getsockname()[1]
    folder = state.folder / "operator"
    host_keys = (folder / "host_keys").read_text().splitlines()
    known = "".join(f"[127.0.0.1]:{port} {' '.join(line.split()[:2])}\n" for line in host_keys)
    (folder / "known_hosts").write_text(known)
    facts = {
        "name": state.name,
        "pid": undo.pid,
        "starttime": undo.started,
        "host_pid": ready["host"],
        "boots": 1,
        "internet_pid": ready["internet"],
        "ssh_port": port,
        "user": OPERATOR.name,
        "key": str(folder / "id_ed25519"),
        "known_hosts": str(folder / "known_hosts"),
        "ca": str(state.folder / "images/guest/private/etc/ssl/cert.pem"),
        "start_s": round(time.monotonic() - began, 3),
    }
    temporary = state.facts_file.with_suffix(".new")
    temporary.write_text(json.dumps(facts, indent=1) + "\n")
    temporary.replace(state.facts_file)
    return facts


def _trace(state: State) -> str:
    """Return the last lines of what the lab's processes printed, as an addition to an error."""
    found = []
    for name in ("world.log", "host.log"):
        with contextlib.suppress(OSError):
            lines = (state.folder / "trace" / name).read_text(errors="replace").splitlines()
            found += [f"  {name}: {line}" for line in lines[-TRACE_LINES:]]
    return "".join(f"\n{line}" for line in found)
