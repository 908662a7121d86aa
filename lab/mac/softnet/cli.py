"""The `softnet` command: checks its arguments, becomes root, and holds the guest's network open.

Source: reference/tart.md §2.1-2.4. tart starts it as
`softnet --vm-fd 0 --vm-mac-address MAC [--allow X] [--block Y]`; it ends when the VM's socket ends.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ..calls import record
from ..virtualization.wire import Line, RefusedError
from .control import ControlChannel
from .policy import InvalidTargetError, split_targets

VERSION = "0.22.0"
PROBING = "--sudo-escalation-probing"
DONE = "--sudo-escalation-done"
NO_PRIVILEGES = "root privileges are required to run and passwordless sudo was not available"
HELP_FILE = Path(__file__).with_name("help.txt")
_OPTIONS = (
    "vm-fd",
    "vm-mac-address",
    "vm-net-type",
    "allow",
    "block",
    "expose",
    "control-fd",
    "user",
    "group",
)
_FLAGS = (PROBING.removeprefix("--"), DONE.removeprefix("--"))
_ANY_GATEWAY = "192.168.64.1"  # only to check rules before the real one is known


class BadArgumentsError(Exception):
    """The arguments are refused; clap's exit status is 2."""


@dataclass(frozen=True)
class Arguments:
    """The command line, checked."""

    vm_fd: int
    mac: str
    net_type: str = "nat"
    allow: str | None = None
    block: str | None = None
    control_fd: int | None = None
    probing: bool = False
    escalated: bool = False


def parse(words: list[str]) -> Arguments:
    """Check the arguments as clap does. Raises BadArgumentsError."""
    values: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or (name not in _OPTIONS and name not in _FLAGS):
            raise BadArgumentsError(f"unexpected argument '{word}' found")
        if name in _FLAGS:
            values[name] = ""
            continue
        if not equals:
            value = next(rest, "")
        if not value:
            raise BadArgumentsError(
                f"a value is required for '--{name} <{name.upper()}>' but none was supplied"
            )
        values[name] = value
    for name in ("vm-fd", "vm-mac-address"):
        if name not in values:
            raise BadArgumentsError(
                f"the following required arguments were not provided:\n  --{name}"
            )
    if "expose" in values:
        raise BadArgumentsError("--expose is not supported by the lab")
    _check(values)
    return Arguments(
        vm_fd=int(values["vm-fd"]),
        mac=values["vm-mac-address"].lower(),
        net_type=values.get("vm-net-type", "nat"),
        allow=values.get("allow"),
        block=values.get("block"),
        control_fd=int(values["control-fd"]) if "control-fd" in values else None,
        probing=_FLAGS[0] in values,
        escalated=_FLAGS[1] in values,
    )


def _check(values: dict[str, str]) -> None:
    for name in ("allow", "block"):
        for target in values.get(name, "").split(",") if name in values else ():
            try:
                split_targets(target, _ANY_GATEWAY)
            except InvalidTargetError as error:
                wanted = f"'--{name} <comma-separated CIDRs>'"
                raise BadArgumentsError(
                    f"invalid value '{target}' for {wanted}: {error}"
                ) from error
    for name in ("vm-fd", "control-fd"):
        if not values.get(name, "0").isdecimal():
            raise BadArgumentsError(
                f"invalid value '{values[name]}' for '--{name}': invalid digit found in string"
            )
    if values.get("vm-net-type", "nat") not in ("nat", "host"):
        raise BadArgumentsError(
            f"invalid value '{values['vm-net-type']}' for '--vm-net-type <VM_NET_TYPE>'"
        )


def main(argv: list[str]) -> int:
    """Run softnet; 0 when the VM has gone, 1 when it cannot work, 2 for bad arguments."""
    words = argv[1:]
    asks = {"-h", "--help", "-V", "--version"} & set(words)
    record(["softnet", *words], mutates=not asks and PROBING not in words)
    if asks:
        shows_version = asks <= {"-V", "--version"}
        print(f"softnet {VERSION}" if shows_version else HELP_FILE.read_text().rstrip())
        return 0
    try:
        arguments = parse(words)
    except BadArgumentsError as error:
        print(f"error: {error}\n\nFor more information, try '--help'.", file=sys.stderr)
        return 2
    if arguments.probing:
        return 0
    program = str(
        Path(argv[0] if os.path.sep in argv[0] else shutil.which(argv[0]) or argv[0]).resolve()
    )
    if os.geteuid() != 0 and not _is_suid_root(program):
        return _escalate(program, words)
    try:
        return run(arguments, program)
    except (RefusedError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _is_suid_root(program: str) -> bool:
    try:
        status = os.stat(program)
    except OSError:
        return False
    return status.st_uid == 0 and bool(status.st_mode & stat.S_ISUID)


def _escalate(program: str, words: list[str]) -> int:
    """Become root by sudo without a password, or say why not. Returns only in the second case."""
    sudo = shutil.which("sudo")
    probe = [sudo or "sudo", "-n", program, *words, PROBING]
    if sudo is None or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        print(f"Error: {NO_PRIVILEGES}", file=sys.stderr)
        return 1
    user = pwd.getpwuid(os.getuid())
    escalated = [program, *words, DONE, "--user", user.pw_name, "--group", str(user.pw_gid)]
    kept = "--preserve-env=SENTRY_DSN,CIRRUS_SENTRY_TAGS"
    os.execv(sudo, [sudo, "--non-interactive", kept, *escalated])
    return 1


def run(arguments: Arguments, program: str) -> int:
    """Open the guest's network and hold it while the VM lives. Raises RefusedError, OSError."""
    vm = socket.socket(fileno=arguments.vm_fd)
    line = Line.dial()
    request = {
        "op": "softnet.open",
        "program": program,
        "mac": arguments.mac,
        "net_type": arguments.net_type,
        "allow": arguments.allow,
        "block": arguments.block,
    }
    line.ask(request)
    if arguments.control_fd is not None:
        ControlChannel(arguments.control_fd, line, arguments.allow, arguments.block).start()
    try:
        while vm.recv(1):
            pass
    except KeyboardInterrupt:
        pass  # how tart stops it
    return 0
