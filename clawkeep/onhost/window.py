"""`clawkeep window`: the way to the build domains, open exactly while a run installs something.

`hold` opens it and keeps it open for as long as its standard input is: the run holds the other end,
so the window closes when the run ends, fails or is killed. It is closed by a second process, which
waits for the first to end: killing the holder closes the window, too. Should both be killed, or
the connection hang, the guard closes it at its time by the host's clock; a reboot empties the
folder that it is on record in. Closing begins with taking it off the record, which needs no lock
and no room on the disk: whatever fails or hangs after that, the guard closes what is not on record.

A guest can make a run open it, by removing a package. What it gets are the domains of what is
missing, for minutes, through a proxy that notes every name; and each opening is an event.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import NoReturn

from clawkeep.domains import domain, minimal
from clawkeep.onhost import clock, enforce, paths, proxy, store, vet, world
from clawkeep.onhost.plain import plain
from clawkeep.onhost.situation import situation
from clawkeep.policy import PROXY_PORT, PolicyError, Window

MOST_DOMAINS = 50
LOOK_S = 1.0

#: How long the host's lock is waited for: to open, and at each try to close.
OPEN_LOCK_S = 120
CLOSE_LOCK_S = 20

#: What names many domains fits into one line of so many characters.
LINE = 4000
HOLDER = re.compile(r"\(pid ([0-9]+)\)$")

EPILOG = """exit status: 0 done, 1 not (and why)

example: sudo clawkeep window hold --for 45m --domains formulae.brew.sh,ghcr.io
  opens the window, prints "open GATEWAY:3128", and closes it when its standard input ends"""


class WindowError(Exception):
    """The window could not be opened; nothing is open."""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog="clawkeep window",
        description="The provisioning window: build domains that are open for a run.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = made.add_subparsers(dest="verb", required=True)
    hold = verbs.add_parser("hold", help="open it, and close it when standard input ends")
    hold.add_argument("--for", dest="span", default="45m", help="at the longest (45m; at most 1h)")
    hold.add_argument("--domains", required=True, help="comma-separated names, open on port 443")
    hold.add_argument("--who", default="", help="who asks, where sudo's user says too little")
    verbs.add_parser("close", help="close it now, whoever holds it")
    show = verbs.add_parser("show", help="say whether it is open")
    show.add_argument("--json", action="store_true")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run as `window hold|close|show`: 0 done, 1 not, with the reason on stderr."""
    options = parser().parse_args(arguments)
    if options.verb == "show":
        return _show(as_json=options.json)
    if os.geteuid() != 0:
        sys.stderr.write("clawkeep window: only root may open or close it; run it with sudo\n")
        return 1
    try:
        if options.verb == "close":
            return _close_now()
        return _hold(_declared(options.span, options.domains, options.who))
    except (
        WindowError, PolicyError, OSError, RuntimeError, ValueError, subprocess.SubprocessError
    ) as error:  # fmt: skip
        sys.stderr.write(f"clawkeep window: {plain(str(error), LINE)}\n")
        return 1


def _declared(span: str, names: str, who: str) -> Window:
    """Return the window that is asked for. Nobody is believed: all is checked here once more."""
    seconds = vet.seconds(span)
    if seconds > world.LONGEST_WINDOW_S:
        raise WindowError(f"{span} is too long; a window is open for at most an hour")
    domains = minimal(domain(name) for name in names.split(",") if name)
    if not 1 <= len(domains) <= MOST_DOMAINS:
        raise WindowError(f"expected 1 to {MOST_DOMAINS} domains, got {len(domains)}")
    since = clock.now()
    asking = f"{vet.line(who, 'who')} as " if who else ""
    user = os.environ.get("SUDO_USER") or "root"
    return Window(domains, since + seconds, since, f"{asking}{user} (pid {os.getpid()})")


def _hold(window: Window) -> int:
    """Open the window, say so, and keep it open until the run is over."""
    watched, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(held)
        _close_when_over(watched, window)
    os.close(watched)
    ended = ""
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, _over)
        gateway = _open(window)
        print(f"open {gateway}:{PROXY_PORT}", flush=True)
        ended = _wait(window)
    except _OverError as signalled:
        ended = str(signalled)
    finally:
        # The other process closes it; here is only seen to that it does.
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        os.close(held)
        _, status = os.waitpid(child, 0)
        closed = not status or _until_done(lambda: _close(_is(window), "the run is over"))
    if not closed:
        raise WindowError(
            "it could not be closed at once: the guard closes it, at the latest at "
            f"{_time(window.until)}"
        )
    sys.stderr.write(f"window: closed ({ended})\n")
    return 0


class _OverError(Exception):
    """A signal ends the run."""


def _over(number: int, _frame: object) -> NoReturn:
    raise _OverError(signal.Signals(number).name)


def _open(window: Window) -> str:
    """Put the window on record and in force; return the gateway. Raises WindowError."""
    with store.locked(timeout_s=OPEN_LOCK_S):
        there = world.window()
        if there is not None and clock.now() < there.until and _holder_lives(there):
            raise WindowError(
                f"{there.who} holds one until {_time(there.until)}; wait for that run, or end it "
                "(sudo clawkeep window close)"
            )
        store.write(paths.WINDOW, window.text())
        until = _time(window.until)
        store.event("window-opened", f"{', '.join(window.domains)} until {until}", who=window.who)
        record = enforce.bring(situation())
    if record.state != "open" or record.link is None:
        raise WindowError(f"no guest is served: {enforce.said(record)}")
    link = world.link()
    if link is None or not proxy.listening(link.gateway):
        why = "; ".join(record.problems) or f"see {paths.LOGS}/proxy.err.log"
        raise WindowError(f"the proxy does not listen on the gateway: {why}")
    return str(link.gateway)


def _wait(window: Window) -> str:
    """Return why the window ends: the run's end of standard input, its time, or somebody else."""
    deadline = time.monotonic() + (window.until - window.since)
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([0], [], [], min(LOOK_S, left))
        if ready and not os.read(0, 4096):
            return "the run is over"
        if _recorded() != window:
            return "somebody else has closed it"
    return "its time is over"


def _close_when_over(watched: int, window: Window) -> NoReturn:
    """Wait until the holder has ended, however it did, and close its window; the second process."""
    status = 1
    try:
        # Whatever ends the holder and its group or terminal must not end this one.
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(3, watched)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        while os.read(watched, 1):
            pass
        closed = _until_done(lambda: _close(_is(window), "the run is over"))
        status = 0 if closed else 1
    finally:
        os._exit(status)


def _until_done(attempt: Callable[[], bool]) -> bool:
    """Try for a while: a host that is busy for a second must not keep a window open for an hour."""
    for pause in (0.0, 0.5, 1.0, 2.0, 4.0):
        time.sleep(pause)
        try:
            if attempt():
                return True
        except Exception as error:  # noqa: BLE001 - whatever it was, the next try may do it
            store.event("failed", f"the window could not be closed: {error!r}")
    return False


def _is(window: Window) -> Callable[[Window], bool]:
    return lambda there: there == window


def _close(ours: Callable[[Window], bool], why: str) -> bool:
    """Take the window off the record and bring that in force; False when it may still be open."""
    if not _off_the_record(ours, why):
        return True
    with store.locked(timeout_s=CLOSE_LOCK_S):
        record = enforce.bring(situation())
    unserved = [problem for problem in record.problems if problem.startswith("proxy")]
    return record.state in {"open", "closed", "cut"} and not unserved


def _off_the_record(ours: Callable[[Window], bool], why: str) -> bool:
    """Take the window off the record, without the lock; False when somebody else's is there.

    One that nobody can read is nobody's, and goes, too. Raises OSError when it cannot be removed.
    """
    there = _recorded()
    if there is not None and not ours(there):
        return False
    was = f"{', '.join(there.domains)}: " if there is not None else ""
    try:
        paths.WINDOW.unlink()
    except FileNotFoundError:
        return True
    store.event("window-closed", f"{was}{why}", who=there.who if there is not None else "")
    return True


def _close_now() -> int:
    there = _recorded()
    if not _close(lambda _: True, f"closed by {os.environ.get('SUDO_USER') or 'root'}"):
        raise WindowError("the rules were not brought in force; see `clawkeep enforce`")
    print("closed" if there else "it was not open")
    return 0


def _recorded() -> Window | None:
    """Return the window on record, None when there is none that can be read. Never raises."""
    try:
        return world.window()
    except (PolicyError, OSError, ValueError):
        return None


def _holder_lives(window: Window) -> bool:
    found = HOLDER.search(window.who)
    if found is None:
        return True
    try:
        os.kill(int(found[1]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _show(*, as_json: bool) -> int:
    there = _recorded()
    if there is not None and clock.now() >= there.until:
        there = None
    if as_json:
        print(json.dumps({"open": there is not None, "window": asdict(there) if there else None}))
    elif there is None:
        print("closed")
    else:
        line = f"open until {_time(there.until)}, by {there.who}: {', '.join(there.domains)}"
        print(plain(line, LINE))
    return 0


def _time(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
