"""From an image and a disk to a running lab machine: its root, and the step into it.

The host is put together by the lab's world, a guest by the host's virtualization service; both call
`boot` in a child that already has its own namespaces.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import clock, namespaces

LAB = "/System/Lab"
INIT = (f"{LAB}/python/bin/python3", "-IS", f"{LAB}/mac/launchd/init.py")
SHARED = ("python", "mac", "linux", "bottles")
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}
PROCESS_LINKS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}


@dataclass(frozen=True)
class Bind:
    """A folder or file of the outside, seen at `target` (an absolute path) in the machine."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Root:
    """What a machine's `/` is made of.

    Attributes:
        mount_point: an existing empty folder.
        layers: read-only image folders, the uppermost first.
        upper: the writable disk; `work` is its empty neighbour on the same file system.
        binds: mounted over it, in order; missing mount points are made.
        options: further overlayfs options.
    """

    mount_point: str
    layers: Sequence[str]
    upper: str
    work: str
    binds: Sequence[Bind] = field(default_factory=tuple)
    options: str = ""


def shared_binds(python: str, mac: str, linux: str, bottles: str | None, log: str) -> list[Bind]:
    """Return the folders that every lab machine has, from where the caller sees them."""
    found = [
        Bind(python, f"{LAB}/python"),
        Bind(mac, f"{LAB}/mac"),
        Bind(linux, f"{LAB}/linux"),
        Bind(f"{linux}/lib", "/usr/lib"),
        Bind(f"{linux}/share", "/usr/share"),
        Bind(log, f"{LAB}/log", writable=True),
    ]
    optional = ("lib64", "lib32", "libexec/sudo")
    found += [
        Bind(f"{linux}/{name}", f"/usr/{name}")
        for name in optional
        if os.path.isdir(f"{linux}/{name}")
    ]
    if bottles:
        found.append(Bind(bottles, f"{LAB}/bottles"))
    return found


def guest_binds() -> list[Bind]:
    """Return the same for a guest, whose outside is the lab's host."""
    bottles = f"{LAB}/bottles" if os.path.isdir(f"{LAB}/bottles") else None
    found = shared_binds(f"{LAB}/python", f"{LAB}/mac", f"{LAB}/linux", bottles, f"{LAB}/log")
    if os.path.isdir(clock.FOLDER):
        found.append(Bind(clock.FOLDER, clock.FOLDER))
    return found


def assemble(root: Root) -> None:
    """Mount the machine's root in the calling mount namespace. Raises OSError."""
    namespaces.make_private()
    options = [f"lowerdir={':'.join(root.layers)}", f"upperdir={root.upper}"]
    options += [f"workdir={root.work}", *filter(None, [root.options])]
    namespaces.mount("overlay", root.mount_point, "overlay", options=",".join(options))
    for bind in root.binds:
        target = root.mount_point + bind.target
        _make_mount_point(bind.source, target)
        namespaces.bind(bind.source, target, writable=bind.writable)
    for kind, folder in (("proc", "proc"), ("sysfs", "sys")):
        os.makedirs(f"{root.mount_point}/{folder}", exist_ok=True)
        flags = namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC
        namespaces.mount(kind, f"{root.mount_point}/{folder}", kind, flags)
    _make_devices(f"{root.mount_point}/dev")


def boot(root: Root, hostname: str, console: str, init: Sequence[str] = INIT) -> None:
    """Become the machine's process 1; return only by raising OSError.

    The caller is process 1 of a new pid namespace and has new mount, UTS, IPC and network
    namespaces. `console` is the outside's file that collects what process 1 prints.
    """
    assemble(root)
    output = os.open(console, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    namespaces.set_hostname(hostname)
    namespaces.change_root(root.mount_point)
    quiet = os.open("/dev/null", os.O_RDONLY)
    for number, descriptor in enumerate((quiet, output, output)):
        os.dup2(descriptor, number)
    os.closerange(3, 65536)
    os.umask(0o022)
    os.execve(init[0], list(init), {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})


def _make_mount_point(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))


def _make_devices(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    namespaces.mount("tmpfs", folder, "tmpfs", namespaces.MS_NOSUID, "mode=755,size=64k")
    mask = os.umask(0)
    try:
        for name, (major, minor) in DEVICES.items():
            os.mknod(f"{folder}/{name}", stat.S_IFCHR | 0o666, os.makedev(major, minor))
        os.mknod(f"{folder}/tty", stat.S_IFCHR | 0o666, os.makedev(5, 0))
    finally:
        os.umask(mask)
    for name, end in PROCESS_LINKS.items():
        os.symlink(f"/proc/self/fd{end}", f"{folder}/{name}")
    for name in ("pts", "shm"):
        os.mkdir(f"{folder}/{name}")
    options = "newinstance,ptmxmode=0666,mode=0620,gid=4"
    namespaces.mount("devpts", f"{folder}/pts", "devpts", namespaces.MS_NOSUID, options)
    os.symlink("pts/ptmx", f"{folder}/ptmx")
    # Not a Mac's, but squid and Python's multiprocessing keep their semaphores here.
    namespaces.mount("tmpfs", f"{folder}/shm", "tmpfs", namespaces.MS_NOSUID, "mode=1777")
