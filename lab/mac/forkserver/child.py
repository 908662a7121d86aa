"""What happens in the child: it takes on the caller's identity, runs the stand-in, and ends.

It ends without taking the interpreter down, which would touch every page that it shares with the
server: stand-ins leave no threads and no exit handlers behind.
"""

from __future__ import annotations

import contextlib
import io
import locale
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from .. import namespaces
from .caller import NAME, RESOURCES, SIGNALS, Caller

Main = Callable[[list[str]], object]

# What Python exits with when it cannot flush standard output at its end.
FLUSH_FAILED = 120
MODES = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def run(caller: Caller, main: Main, files: Sequence[int], server: int) -> NoReturn:
    """Be the caller's program, with its standard files and its folder, to the end.

    `server` is the server's pid.
    """
    status = 1
    try:
        _take_files(files)
        _become(caller, server)
        _open_streams()
        status = _flushed(_status_of(main, caller.arguments))
    except BaseException as error:  # noqa: BLE001 - it must never return into the server
        _show(error)
        _flushed(status)
    finally:
        os._exit(status)


def _take_files(files: Sequence[int]) -> None:
    *standard, folder = files
    os.fchdir(folder)
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
    os.closerange(len(standard), 65536)


def _become(caller: Caller, server: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in caller.ignored else usual)
    os.setsid()  # what ends the server's process group is not meant for it
    namespaces.set_process_name(NAME.format(caller.pid))
    # Whoever is not root may not raise what he has lowered.
    os.setpriority(os.PRIO_PROCESS, 0, caller.nice)
    for number, limits in zip(RESOURCES, caller.limits, strict=True):
        if resource.getrlimit(number) != limits:
            resource.setrlimit(number, limits)
    os.setgroups(caller.groups)
    os.setresgid(caller.gid, caller.gid, caller.gid)
    os.setresuid(caller.uid, caller.uid, caller.uid)
    # Both were reset by the change of identity.
    namespaces.set_dumpable()
    namespaces.set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)
    os.umask(caller.umask)
    os.environb.clear()
    os.environb.update(caller.environment)
    _set_locale()
    time.tzset()
    # The process that the machine knows is the caller's: its log, `killall` and pf's tokens name
    # that one.
    os.getpid = lambda: caller.pid
    sys.argv = caller.arguments


def _set_locale() -> None:
    """Take the environment's LC_CTYPE; for plain C C.UTF-8, and programs too are told (PEP 538)."""
    try:
        found = locale.setlocale(locale.LC_CTYPE, "")
    except locale.Error:
        found = locale.setlocale(locale.LC_CTYPE, "C")
    if found == "C" and not os.environ.get("LC_ALL"):
        os.environ["LC_CTYPE"] = locale.setlocale(locale.LC_CTYPE, "C.UTF-8")


def _open_streams() -> None:
    """Open the standard streams as a fresh interpreter does in the lab's locales."""
    for number, (name, mode) in enumerate(MODES):
        raw = io.FileIO(number, mode, closefd=False)
        raw.name = f"<{name}>"
        buffer = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
        stream = io.TextIOWrapper(
            buffer,
            encoding="utf-8",
            errors="backslashreplace" if name == "stderr" else "surrogateescape",
            newline="\n",
            line_buffering=name == "stderr" or raw.isatty(),
        )
        stream.mode = mode  # type: ignore[misc]
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _status_of(main: Main, arguments: list[str]) -> int:
    """Return the status of `sys.exit(main(arguments))`."""
    try:
        result = main(arguments)
    except SystemExit as end:
        result = end.code
    except KeyboardInterrupt as interrupt:
        _show(interrupt)
        _flushed(0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
        return 1
    except BaseException as error:  # noqa: BLE001 - as the interpreter does
        _show(error)
        return 1
    if result is None:
        return 0
    if isinstance(result, int):
        return result & 0xFF
    with contextlib.suppress(OSError):
        print(result, file=sys.stderr)
    return 1


def _show(error: BaseException) -> None:
    """Print it as the interpreter does, without this module's frame."""
    trace = error.__traceback__
    shown = error.with_traceback(trace.tb_next if trace else None)
    sys.excepthook(type(shown), shown, shown.__traceback__)


def _flushed(status: int) -> int:
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as problem:
        with contextlib.suppress(OSError):
            kind = type(problem).__name__
            print(f"Exception ignored in: {sys.stdout!r}\n{kind}: {problem}", file=sys.stderr)
        status = FLUSH_FAILED
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    return status
