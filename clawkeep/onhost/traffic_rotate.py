"""Rotation without a lost line: renamed, read to its end, let go by its writer, then removed.

socat and its connections keep the log that they have opened, and so does squid until it is told
(reference/macos.md §3). So a log that has grown is renamed first; its writer goes on in it, and we
go on reading it by its inode. A bridge opens a new log only when it starts anew, which cuts its
connections: so it is left in peace while it has any, up to a size at which the disk matters more.
Each step looks at what is there, not at what an earlier run meant to do.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clawkeep.onhost import bridges, jobs, log_pull, paths, store, world
from clawkeep.onhost.traffic_journal import Bookmark, File, Journal
from clawkeep.onhost.traffic_logs import Log, forget, live
from clawkeep.policy import BRIDGE_LABEL
from clawkeep.traffic.formats import RESOLVER_LOG, ROTATED, SQUID_LOG

LARGE = 10 << 20
"""Bytes from which a log is rotated."""

TOO_LARGE = 50 << 20
"""Bytes from which a bridge's log is rotated even though connections are cut by it."""

STALE_S = 30 * 86400
"""A log in which nothing was written for so long goes, too: its door may be gone for ever."""

REOPEN = {
    SQUID_LOG: ("com.nanoclaw.proxy", "SIGUSR1"),
    RESOLVER_LOG: ("com.nanoclaw.resolver", "SIGUSR2"),
}
"""Log -> whose it is, and at what signal that one opens a new one."""

PULL_S = 60.0
LSOF = "/usr/sbin/lsof"


@dataclass(frozen=True)
class Hands:
    """What rotation does to processes, exchangeable for tests."""

    held: Callable[[Path], bool]
    restart: Callable[[str], None]
    reopen: Callable[[str], None]
    pull: Callable[[], None] = lambda: None


def held(path: Path) -> bool:
    """Tell whether a process still has the file open; yes when that cannot be learned."""
    try:
        done = world.run([LSOF, "-t", "--", str(path)])
    except (OSError, subprocess.SubprocessError):
        return True
    # 1 and no word: nobody has it. Anything else is either a holder or a failure.
    return not (done.returncode == 1 and not done.stdout.strip() and not done.stderr.strip())


def restart(service: str) -> None:
    """Start a bridge anew, so that it opens a new log. Raises OSError, RuntimeError.

    Its connections end first: one that lived on would hold the old log, and the next run would
    start the bridge anew again.
    """
    label = BRIDGE_LABEL + service
    with store.locked():
        if not jobs.loaded(label):
            return
        for pid in bridges.processes(world.policy().bridge_user, [service]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        jobs.restart([label])
        bridges.started_again()


def reopen(log: str) -> None:
    """Have squid or dnsmasq close its log and open a new one. Raises OSError, RuntimeError."""
    label, signal_name = REOPEN[log]
    done = world.run([jobs.LAUNCHCTL, "kill", signal_name, f"system/{label}"])
    if done.returncode != 0 and jobs.loaded(label):
        raise RuntimeError(f"launchctl kill {signal_name} {label}: {done.stderr.strip()}")


def pulled() -> None:
    """Have the store of logs up to date before a log goes. Raises OSError when it cannot be."""
    with store.locked(log_pull.LOCK, timeout_s=PULL_S):
        if problems := log_pull.pull(guest=lambda _: "").problems:
            raise OSError("; ".join(problems))


HANDS = Hands(held, restart, reopen, pulled)


def rotate(
    journal: Journal,
    handle: int,
    logs: list[Log],
    *,
    now: float,
    folder: Path = paths.LOGS,
    hands: Hands = HANDS,
) -> list[str]:
    """Take every log one step further; return what was done, in sentences.

    `logs` are as they were before they were read. Raises OSError, RuntimeError, PolicyError.
    """
    said = []
    marks = journal.bookmarks()
    names = {log.name for log in logs}
    for log in logs:
        if log.rotated:
            said += _retire(journal, handle, log, marks, folder / log.name, hands)
        elif log.name + ROTATED not in names and _due(log, marks.get(log.file), now):
            # Root renames a name in a folder that is not its own: a link would be moved, not
            # followed.
            os.rename(log.name, log.name + ROTATED, src_dir_fd=handle, dst_dir_fd=handle)
            _open_new(log, hands)
            said.append(f"{log.name} was rotated at {log.size} bytes")
    return said


def _due(log: Log, mark: Bookmark | None, now: float) -> bool:
    if log.size == 0:
        return False
    if log.service is not None and log.size < TOO_LARGE and mark is not None and live(mark):
        return False
    return log.size >= LARGE or log.changed < now - STALE_S


def _retire(
    journal: Journal,
    handle: int,
    log: Log,
    marks: Mapping[File, Bookmark],
    path: Path,
    hands: Hands,
) -> list[str]:
    """Remove a rotated log that is read to its end and that nobody writes to any more."""
    mark = marks.get(log.file)
    if hands.held(path):
        # A run that was killed after its renaming, or a writer that did not listen.
        if mark is None or log.size >= TOO_LARGE or not live(mark):
            _open_new(log, hands)
        return []
    # Asked after nobody had it open: this is its last size.
    size = os.stat(log.name, dir_fd=handle, follow_symlinks=False).st_size
    if mark is None or mark.offset < size:
        return []
    # Nobody writes to it any more, so what is pulled now is all of it.
    hands.pull()
    os.unlink(log.name, dir_fd=handle)
    forget(journal, log.file, mark)
    return [f"{log.name} is read and gone"]


def _open_new(log: Log, hands: Hands) -> None:
    if log.service is None:
        hands.reopen(log.base)
    else:
        hands.restart(log.service)
