"""softnet as `tart run` starts and watches it.

Source: reference/tart.md §1.5, §2 (Softnet.swift).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

from .arguments import Values
from .errors import OtherError, TartError

TERMINATED = 'RuntimeFailed(why: "Softnet process terminated prematurely")'
OPTIONS = ("net-softnet-allow", "net-softnet-block", "net-softnet-expose", "net-softnet-control-fd")


def initialization_failed(why: str) -> OtherError:
    """Word what goes wrong before the VM exists."""
    return OtherError(f'InitializationFailed(why: "{why}")')


def executable() -> str:
    """Find softnet in PATH. Raises OtherError."""
    found = shutil.which("softnet")
    if found is None:
        raise initialization_failed("softnet not found in PATH")
    return found


def set_up_privileges() -> None:
    """Make softnet SUID root by asking for the sudo password; only done on a terminal.

    Raises OtherError, TartError.
    """
    real = Path(executable()).resolve()
    status = real.stat()
    if status.st_uid == 0 and status.st_mode & stat.S_ISUID:
        return
    sudo = shutil.which("sudo")
    if sudo is None:
        raise initialization_failed("sudo not found in PATH")
    probe = [sudo, "--non-interactive", "softnet", "--help"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return
    print(
        "Softnet requires a Sudo password to set the SUID bit on the Softnet executable, "
        "please enter it below.",
        file=sys.stderr,
    )
    script = f"chown root {real} && chmod u+s {real}"
    if subprocess.run([sudo, "sh", "-c", script], check=False).returncode != 0:
        raise TartError(
            "Softnet failed: failed to configure SUID bit on Softnet executable with Sudo"
        )


class Softnet:
    """The process, from its set-up (before the VM exists) to its end."""

    def __init__(self, mac: str, values: Values, *, host_only: bool) -> None:
        self._control_fd = _control_fd(values)
        self._command = [executable(), "--vm-fd", "0", "--vm-mac-address", mac]
        if host_only:
            self._command += ["--vm-net-type", "host"]
        for name in OPTIONS[:3]:
            if name in values.options:
                self._command += [f"--{name.removeprefix('net-softnet-')}", values.options[name]]
        # A Mac uses datagrams; here only a connected kind tells softnet of the VM's end.
        self._vm, self._other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Run it, with the VM's socket as its stdin."""
        command, output = self._command, None
        if self._control_fd is not None:
            command, output = [*command, "--control-fd", "1"], self._control_fd
        self._process = subprocess.Popen(command, stdin=self._other.fileno(), stdout=output)
        self._other.close()
        return self._process

    def interrupt(self) -> None:
        """End it as tart does when the VM has ended."""
        self._vm.close()
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(2)
            self._process.wait()


def _control_fd(values: Values) -> int | None:
    descriptor = values.integer("net-softnet-control-fd", 2**31 - 1)
    if descriptor is None:
        return None
    if descriptor <= 2:
        raise initialization_failed("Softnet control file descriptor must be greater than 2")
    try:
        peer = socket.socket(fileno=os.dup(descriptor))
    except OSError as error:
        raise initialization_failed(
            f"Softnet control file descriptor is not a socket: {error.strerror}"
        ) from error
    with peer:
        if peer.family != socket.AF_UNIX or peer.type != socket.SOCK_STREAM:
            raise initialization_failed(
                "Softnet control file descriptor must be a Unix stream socket"
            )
        try:
            peer.getpeername()
        except OSError as error:
            raise initialization_failed(
                f"Softnet control file descriptor is not connected: {error.strerror}"
            ) from error
    return descriptor
