"""The system calls behind a lab machine, which the standard library does not offer before 3.12.

Every function raises OSError with the call's errno.
"""

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the given namespaces for new ones (a new pid namespace: for children)."""
    _check(_libc.unshare(flags), "unshare")


def enter(namespace: int) -> None:
    """Join the namespace behind an open /proc/<pid>/ns file."""
    _check(_libc.setns(namespace, 0), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount; an error names the target."""
    _check(
        _libc.mount(
            source.encode(), target.encode(), kind.encode() or None, flags, options.encode() or None
        ),
        target,
    )


def bind(source: str, target: str, *, writable: bool = False) -> None:
    """Bind a folder or file, read-only unless asked otherwise."""
    mount(source, target, flags=MS_BIND)
    if not writable:
        mount("none", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)


def make_private() -> None:
    """Keep every later mount of this namespace to itself."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def unmount(target: str) -> None:
    """Detach a mount lazily."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), target)


def change_root(root: str) -> None:
    """Make the mounted folder this mount namespace's `/` and forget the old one."""
    os.chdir(root)
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"pivot_root(2) is not known for {os.uname().machine}")
    _check(_libc.syscall(number, b".", b"."), "pivot_root")
    unmount(".")
    os.chdir("/")


def set_hostname(name: str) -> None:
    """Name this UTS namespace."""
    data = name.encode()
    _check(_libc.sethostname(data, len(data)), "sethostname")


def set_process_name(name: str) -> None:
    """Name the calling thread as `ps -o comm` shows it (15 bytes)."""
    _libc.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def set_parent_death_signal(number: int) -> None:
    """Let the kernel send this signal to the calling process when its parent ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl")


def set_dumpable() -> None:
    """Give the calling process its own /proc/self again, which a change of its uid took away."""
    _check(_libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
