"""Runs a command of the guest's owner whose output a hostile guest decides: never waits for it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import IO

from clawkeep.onhost.world import owner
from clawkeep.policy import Policy

MAX_ANSWER = 500_000


def as_owner(policy: Policy, command: Sequence[str], text: str, timeout_s: float) -> str:
    """Return what `command` prints, errors included, with `text` on its stdin.

    It ends with the command, after `timeout_s` seconds or at `MAX_ANSWER` bytes, and with it all
    that it started: root reads no more than that. Root runs nothing of the owner's itself.
    Raises OSError when it cannot be started.
    """
    with subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **owner(policy),
    ) as process:
        try:
            return _read(process, text, time.monotonic() + timeout_s)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def _read(process: subprocess.Popen[bytes], text: str, deadline: float) -> str:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("pipes were asked for")
    writer = threading.Thread(target=_write, args=(process.stdin, text.encode()), daemon=True)
    writer.start()
    answer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(answer) < MAX_ANSWER and (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                piece = os.read(process.stdout.fileno(), 65536)
                if not piece:
                    break
                answer += piece
    return answer[:MAX_ANSWER].decode(errors="replace")


def _write(stdin: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):
        stdin.write(data)
        stdin.close()
