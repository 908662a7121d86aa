"""Runs verbs of the host's own `clawkeep` from the operator's side."""

from __future__ import annotations

import getpass
import secrets
import shlex
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from clawkeep.target import NoTargetError, target
from clawkeep.transport import HostSession, TransportError

PROGRAM = "/opt/clawkeep/bin/clawkeep"


@dataclass(frozen=True)
class Outcome:
    """What a verb on the host printed, and its exit status."""

    status: int
    stdout: str
    stderr: str


def on_host(session: HostSession, arguments: Sequence[str], timeout_s: float = 30) -> Outcome:
    """Run `clawkeep ARGUMENTS` on the host as root. Nothing secret may be among the arguments.

    Raises TransportError when the host does not answer, has no Clawkeep yet, or lets nobody sudo.
    """
    command = shlex.join(["sudo", "-n", PROGRAM, *arguments])
    # Nobody whose words a verb repeats can know it.
    own = f"@{secrets.token_hex(8)}"
    script = (
        f'e=$(mktemp) || exit 1\n{command} 2>"$e" </dev/null\n'
        f"printf '\\n%s %s\\n' '{own}' $?\ncat \"$e\"; rm -f \"$e\"\n"
    )
    text = session.run(script, timeout_s)
    stdout, mark, rest = text.rpartition(f"\n{own} ")
    number, _, stderr = rest.partition("\n")
    if not mark or not number.strip().isdigit():
        raise TransportError(f"{session.target.name}: {command}: no answer: {text[-200:]!r}")
    status = int(number)
    if "a password is required" in stderr or "command not found" in stderr:
        raise TransportError(
            f"{session.target.name}: {command}: {stderr.strip()}; the SSH user needs sudo without "
            "a password, and the base phase must have run"
        )
    return Outcome(status, stdout, stderr)


def pass_on(arguments: Sequence[str], timeout_s: float = 30) -> int:
    """Run a verb of the host for the operator; print what it says and return its exit status.

    2 when there is no host, or none that answers: then nobody can tell.
    """
    try:
        session = HostSession(target())
        try:
            outcome = on_host(session, arguments, timeout_s)
        finally:
            session.close()
    except (NoTargetError, TransportError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(outcome.stdout)
    sys.stderr.write(outcome.stderr)
    return outcome.status


def operator() -> str:
    """Return who is asking, as the host is to note it: `user@machine`."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
