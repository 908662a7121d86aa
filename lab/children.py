"""The children of a lab's world: processes in network namespaces of their own."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lab.mac import namespaces
from lab.state import start_time


@dataclass(frozen=True)
class Child:
    """A child's pid here and in the machine's pid namespace, and what it leaves when it fails."""

    inner: int
    outer: int

    @property
    def lives(self) -> bool:
        """Whether its network namespace, and so its process, is still there."""
        return start_time(self.inner) is not None and os.path.exists(f"/proc/{self.inner}/ns/net")


def spawn(
    body: Callable[[int], Any], outer_proc: int, *, isolated: bool = False
) -> tuple[int, Child]:
    """Fork a child with a network namespace of its own; it waits for a byte before `body` goes on.

    Isolated, it is process 1 of its own pid namespace too (and the returned pids are its).
    """
    go_read, go_write = os.pipe()
    hello_read, hello_write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(go_write)
        _child(body, go_read, hello_write, outer_proc, isolated)
    os.close(go_read)
    os.close(hello_write)
    if hello := os.read(hello_read, 64).decode():
        os.close(hello_read)
        outer, inner = (int(word) for word in hello.split())
        return go_write, Child(inner, outer)
    raise OSError("a process of the lab ended before it began")


def _child(
    body: Callable[[int], Any], go: int, hello: int, outer_proc: int, isolated: bool
) -> NoReturn:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        flags = namespaces.CLONE_NEWNET | namespaces.CLONE_NEWNS
        if isolated:
            flags |= namespaces.CLONE_NEWPID | namespaces.CLONE_NEWUTS | namespaces.CLONE_NEWIPC
        namespaces.unshare(flags)
        # New namespaces inherit what the machine has set; containers' hosts forward.
        Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
        if isolated and os.fork():
            os._exit(0)
        # This world's own /proc, mounted before the fork, knows the pid that the world must use.
        inner = os.readlink("/proc/self")
        os.write(hello, f"{pid_in(outer_proc)} {inner}".encode())
        os.close(hello)
        body(go)
        status = 0
    except (OSError, ValueError) as problem:
        os.write(2, f"lab: {problem}\n".encode())
    finally:
        os._exit(status)


def pid_in(proc: int) -> int:
    """Return the caller's pid as a certain /proc counts."""
    return int(os.readlink("self", dir_fd=proc))
