"""Processes that hold secrets: they leave no core dump, and their children's words stay inside."""

from __future__ import annotations

import ctypes
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from clawkeep.secrets.error import SecretError

PR_SET_DUMPABLE: Final = 4
"""Linux, prctl(2): also keeps other processes of the user from reading our memory."""


def no_core_dumps() -> None:
    """Have this process, and those that it starts, leave no core dump.

    A kernel that pipes dumps to a program ignores the limit; there prctl(2) is what counts, and
    that ends at the next exec.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise SecretError("prctl refuses to turn core dumps off; no secret was read")


@dataclass(frozen=True)
class Ran:
    """What a program did. What it printed may be a secret: it does not show itself."""

    status: int
    out: str = field(repr=False)
    err: str = field(repr=False)


def run(
    command: Sequence[str], *, timeout_s: float, environment: Mapping[str, str] | None = None
) -> Ran:
    """Run a program without a terminal or input, and return what it printed.

    `command` must not hold a secret: all of this machine's users see it. Raises SecretError when
    it is not there, does not end in time or prints what is no text.
    """
    program = command[0]
    # `from None`: these exceptions carry the program's output.
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=timeout_s,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))
    except subprocess.TimeoutExpired:
        raise SecretError(f"{program} did not answer within {timeout_s:.0f} s") from None
    except UnicodeDecodeError:
        raise SecretError(f"{program} printed what is no UTF-8") from None
    except OSError as error:
        raise SecretError(f"{program} cannot be run: {error.strerror}") from None
