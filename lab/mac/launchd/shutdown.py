"""shutdown, reboot and halt: the orderly ways down, all of them root's alone.

`shutdown -h now` and `halt` end process 1 with status 0, `-r` and `reboot` with 65. A Mac that is
switched off instead (SIGKILL of process 1) gives no job a chance.
"""

import sys
import time

from ..calls import record
from . import errors
from .control import ask

USAGE = "usage: shutdown [-] [-h [-u] [-n] | -r [-n] | -s | -k] time [warning-message ...]"


def main(argv: list[str]) -> int:
    """Run `shutdown`; return its exit status."""
    record(argv, mutates=True)
    flags = {letter for word in argv[1:] if word.startswith("-") for letter in word[1:]}
    rest = [word for word in argv[1:] if not word.startswith("-")]
    if not rest or flags - set("hrsnuko"):
        print(USAGE, file=sys.stderr)
        return 1
    delay = _delay(rest[0])
    if delay is None:
        print("shutdown: illegal time format", file=sys.stderr)
        return 1
    if "k" in flags:
        return 0
    code = _ask(reboot="r" in flags, delay=delay)
    if code == errors.EPERM:
        print("shutdown: NOT super-user", file=sys.stderr)
        return 1
    if code == 0:
        when = "NOW" if not delay else time.ctime(time.time() + delay)
        print(f"Shutdown {'at ' if delay else ''}{when}{'' if delay else '!'}")
    return code


def reboot(argv: list[str]) -> int:
    """Run `reboot`."""
    return _at_once(argv, reboot=True)


def halt(argv: list[str]) -> int:
    """Run `halt`."""
    return _at_once(argv, reboot=False)


def _at_once(argv: list[str], *, reboot: bool) -> int:
    record(argv, mutates=True)
    code = _ask(reboot=reboot, delay=0)
    if code == errors.EPERM:
        print(f"{argv[0].rpartition('/')[2]}: Operation not permitted", file=sys.stderr)
    return 1 if code else 0


def _ask(*, reboot: bool, delay: int) -> int:
    try:
        return int(ask("shut_down", reboot=reboot, delay=delay)["code"])
    except OSError as error:
        print(f"launchd does not answer: {error}", file=sys.stderr)
        return 1


def _delay(word: str) -> int | None:
    """Return the seconds that `now` or `+minutes` stand for."""
    if word == "now":
        return 0
    return int(word[1:]) * 60 if word[:1] == "+" and word[1:].isdigit() else None
