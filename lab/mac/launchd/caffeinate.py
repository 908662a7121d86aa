"""caffeinate: a lab machine never sleeps, so this only waits, as the real one does."""

import os
import select
import sys
import time

from ..calls import record

USAGE = "usage: caffeinate [-disu] [-t timeout] [-w Process ID] [command arguments...]"


def main(argv: list[str]) -> int:
    """Run a command, wait for a process (-w), for a time (-t), or for ever."""
    record(argv, mutates=False)
    arguments, values = argv[1:], {"t": "", "w": ""}
    while arguments and arguments[0].startswith("-"):
        word = arguments.pop(0)[1:]
        letter = word[-1:]
        if letter in values and arguments:
            values[letter] = arguments.pop(0)
        if not set(word) <= set("dimsutw") or (letter in values and not values[letter].isdigit()):
            print(USAGE, file=sys.stderr)
            return 1
    if arguments:
        return _run(arguments)
    if values["w"]:
        return _wait_for(int(values["w"]))
    if values["t"]:
        time.sleep(int(values["t"]))
        return 0
    while True:
        time.sleep(86400)


def _run(arguments: list[str]) -> int:
    try:
        os.execvp(arguments[0], arguments)
    except OSError as error:
        print(f"caffeinate: {arguments[0]}: {error.strerror}", file=sys.stderr)
    return 1


def _wait_for(pid: int) -> int:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return 0
    select.select([descriptor], [], [])
    return 0
