"""One step of a build: a command with a bare environment, and an error that repeats its words.

Runs in the guest on its own Python 3.9, standard library only.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time

LAST_LINES = 15
LONGEST_S = 1800.0


class StepError(Exception):
    """A step failed; the text names step and command, and repeats the command's last lines."""


def say(text: str) -> None:
    """Tell whoever watches, on stderr."""
    sys.stderr.write(f"checkout: {text}\n")
    sys.stderr.flush()


def run(
    step: str, command: list[str], cwd: str, env: dict[str, str], timeout_s: float = LONGEST_S
) -> str:
    """Run a command in a process group of its own and return its stdout.

    Raises StepError when it cannot start, fails, or takes longer than `timeout_s`.
    """
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise StepError(f"{step}: `{shown(command)}` cannot be started: {error}") from error
    with process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            how = f"took longer than {timeout_s:.0f} s"
            raise StepError(_words(step, command, how, out, err)) from None
    if process.returncode:
        number = process.returncode
        how = f"ended with {number}" if number > 0 else f"was ended by signal {-number}"
        raise StepError(_words(step, command, how, out, err))
    if (took := time.monotonic() - began) > 2:
        say(f"{step}: `{shown(command)}` took {took:.0f} s")
    return out.decode(errors="replace")


def _words(step: str, command: list[str], how: str, out: bytes, err: bytes) -> str:
    text = (out.rstrip() + b"\n" + err).decode(errors="replace")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()][-LAST_LINES:]
    said = "".join(f"\n    {line}" for line in lines) or "\n    (nothing)"
    return f"{step}: `{shown(command)}` {how}; it said last:{said}"


def shown(command: list[str]) -> str:
    """Return a command as one would type it, without the program's folder, and not too long."""
    text = shlex.join([os.path.basename(command[0]), *command[1:]])
    return text if len(text) <= 120 else f"{text[:117]}..."
