"""What the stand-ins share about speaking: standard error, the NSLog prefix, who is calling."""

import os
import sys
import threading
import time


def complain(text: str) -> None:
    """Print one line on standard error."""
    print(text, file=sys.stderr)


def nslog(program: str, text: str) -> None:
    """Print as NSLog does: `2026-02-03 16:44:14.812 sysadminctl[24897:5812811] text`, on stderr."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    thread = threading.get_native_id()
    complain(f"{stamp}.{int(now % 1 * 1000):03d} {program}[{os.getpid()}:{thread}] {text}")


def is_root() -> bool:
    """Say whether the caller is root (effective user)."""
    return os.geteuid() == 0


def read_secret(prompt: str) -> str:
    """Return one unechoed line of the terminal, or of standard input where there is none."""
    if sys.stdin.isatty():
        import getpass  # noqa: PLC0415 - termios is only needed on a terminal

        return getpass.getpass(prompt)
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().rstrip("\n")
