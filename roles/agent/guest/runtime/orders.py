"""The end of a run by order: docker's stop, kill and rm."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

from roles.agent.guest.runtime import runs
from roles.agent.guest.runtime.arguments import options
from roles.agent.guest.runtime.processes import ask_agent
from roles.agent.guest.runtime.settings import SIGNALS, Refused, Settings, named

POLL_S = 0.02


def stop(settings: Settings, words: list[str]) -> int:
    """End runs: a request first, and after some seconds without asking."""
    wait_s, names = 10.0, []
    for option, value in options(words, set(), {"-t", "--time", "--timeout"}):
        if option:
            if not value.isdigit():
                raise Refused(f"invalid argument {value!r} for {option}: seconds")
            wait_s = float(value)
        else:
            names.append(value)
    return _each(names, lambda name: _stop(settings, name, wait_s))


def kill(settings: Settings, words: list[str]) -> int:
    """Send a signal to runs."""
    sent, names = "KILL", []
    for option, value in options(words, set(), {"-s", "--signal"}):
        if option:
            sent = value.upper().removeprefix("SIG")
        else:
            names.append(value)
    if sent not in SIGNALS:
        raise Refused(f"invalid signal: {sent}", status=1)
    return _each(names, lambda name: _kill(settings, name, sent))


def remove(settings: Settings, words: list[str]) -> int:
    """End runs by force: each is removed by itself when it ends."""
    force, names = False, []
    for option, value in options(words, {"-f", "--force", "-v", "--volumes"}, set()):
        if option:
            force = force or option in ("-f", "--force")
        else:
            names.append(value)
    if not force:
        for name in names:
            runs.find(settings, named(name))
            raise Refused(f"cannot remove container {name!r}: it runs; use -f", status=1)
    return _each(names, lambda name: _stop(settings, name, 0))


def _each(names: Sequence[str], act: Callable[[str], None]) -> int:
    if not names:
        raise Refused("at least one name is needed", status=1)
    failures = []
    for name in names:
        try:
            act(named(name))
            sys.stdout.write(name + "\n")
            sys.stdout.flush()
        except Refused as refused:
            failures.append(str(refused))
    if failures:
        raise Refused("\n".join(failures), status=1)
    return 0


def _stop(settings: Settings, name: str, wait_s: float) -> None:
    run = runs.find(settings, name)
    if wait_s:
        _send(run, "TERM", until=time.monotonic() + wait_s)
        if _gone(run, wait_s):
            return
    _send(run, "KILL", until=time.monotonic() + 1)
    if not _gone(run, 15):
        raise Refused(f"{name}: does not end; {run.root} says who it is")


def _kill(settings: Settings, name: str, sent: str) -> None:
    run = runs.find(settings, name)
    if failed := _send(run, sent, until=time.monotonic() + 1):
        raise Refused(f"{name}: {failed}")


def _send(run: runs.Run, sent: str, until: float) -> str:
    """Signal an agent, which may just be starting; return what went wrong, or ""."""
    while run.agent_process() is None and os.path.lexists(run.root) and time.monotonic() < until:
        time.sleep(POLL_S)
    return ask_agent(run.agent, "__signal", run.name, sent)


def _gone(run: runs.Run, wait_s: float) -> bool:
    until = time.monotonic() + wait_s
    while os.path.lexists(run.root):
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True
