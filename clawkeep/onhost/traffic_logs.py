"""Root's reading of logs that another user writes: which files, opened how, and what is new.

The folder is the bridges' user's, who can put anything there: links, pipes, holes, endless lines.
So a log is opened below the folder's own handle without following a link, must be a regular file
with one name, and is read in bounded pieces.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from clawkeep.onhost.traffic_journal import Bookmark, File, Journal
from clawkeep.traffic import dnsmasq, squid
from clawkeep.traffic.formats import BRIDGE_LOG, RESOLVER_LOG, ROTATED, SQUID_LOG
from clawkeep.traffic.lines import cut
from clawkeep.traffic.rows import Row, decode
from clawkeep.traffic.socat import Bridge

BLOCK = 1 << 20
"""Bytes that one transaction reads."""

MAX_PER_RUN = 256 << 20
"""Bytes of one log that one run reads; the next run goes on from there."""

MAX_LOGS = 512
HEAD = 512

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it lies in the folder. `service` is None for the proxy's and the resolver's."""

    name: str
    service: str | None
    file: File
    size: int
    changed: float

    @property
    def rotated(self) -> bool:
        """Whether it has been renamed: its writer goes on only until it opens a new one."""
        return self.name.endswith(ROTATED)

    @property
    def base(self) -> str:
        """Its name before it was renamed."""
        return self.name.removesuffix(ROTATED)


@contextmanager
def opened_folder(path: Path) -> Iterator[int | None]:
    """Open the logs' folder; None when there is none yet."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def logs(folder: int) -> list[Log]:
    """Return the logs in the folder, of each the rotated one first. Never follows a link."""
    found = []
    for name in sorted(os.listdir(folder)):
        base = name.removesuffix(ROTATED)
        match = BRIDGE_LOG.fullmatch(base)
        if base not in {SQUID_LOG, RESOLVER_LOG} and not match:
            continue
        try:
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue
        if _plain(facts):
            service = match["service"] if match else None
            found.append(Log(name, service, _file(facts), facts.st_size, facts.st_mtime))
    found.sort(key=lambda log: (log.name.removesuffix(ROTATED), not log.rotated))
    return found[:MAX_LOGS]


def read(journal: Journal, folder: int, log: Log, reap: Callable[[set[int]], set[int]]) -> int:
    """Bring the journal up to the end of `log`; return how many lines were of no known form.

    `reap` tells which of some processes are no more; it is asked before the reading, so that
    whatever they wrote has been read when they are taken for ended. Raises OSError.
    """
    with os.fdopen(os.open(log.name, READ, dir_fd=folder), "rb", buffering=0) as file:
        facts = os.fstat(file.fileno())
        if not _plain(facts) or _file(facts) != log.file:
            return 0
        mark = _known(journal, log, file.fileno())
        dead = reap(set(_bridge(log, mark).open)) if log.service else set()
        # Only now: what a process wrote before its end is within this size.
        size = os.fstat(file.fileno()).st_size
        strange, end = 0, min(size, mark.offset + MAX_PER_RUN)
        while mark.offset < end:
            data = os.pread(file.fileno(), BLOCK, mark.offset)
            mark, unknown, moved = _block(journal, log, mark, data, file.fileno())
            strange += unknown
            if not moved:
                break
        if dead and mark.offset >= size:
            _end(journal, log, mark, dead)
    return strange


def forget(journal: Journal, file: File, mark: Bookmark) -> None:
    """Forget a log that is no more; connections that it left open count as ended."""
    with journal.writing():
        match = BRIDGE_LOG.fullmatch(mark.name.removesuffix(ROTATED))
        if match:
            journal.add(Bridge(match["service"], mark.state).finish())
        journal.bookmark(file, None)


def live(mark: Bookmark) -> list[Row]:
    """Return the connections that a bridge's log tells of and that have not ended."""
    match = BRIDGE_LOG.fullmatch(mark.name.removesuffix(ROTATED))
    return Bridge(match["service"], mark.state).live() if match else []


def _block(
    journal: Journal, log: Log, mark: Bookmark, data: bytes, handle: int
) -> tuple[Bookmark, int, bool]:
    """Write one piece of a log to the journal; tell also whether anything was done with."""
    lines, done, skipping = cut(data, skipping=mark.skipping)
    if not done:
        return mark, 0, False
    bridge = _bridge(log, mark)
    rows: list[Row] = []
    strange = 0
    for line in map(decode, lines):
        new = _rows(log, line) if log.service is None else bridge.feed(line)
        strange += new is None
        rows += new or []
    offset = mark.offset + done
    head = min(offset, HEAD)
    mark = Bookmark(
        log.name,
        offset,
        skipping,
        head,
        _hash(handle, head),
        bridge.state() if log.service else "",
    )
    with journal.writing():
        journal.add(rows)
        journal.bookmark(log.file, mark)
    return mark, strange, True


def _rows(log: Log, line: str) -> list[Row] | None:
    if log.base == RESOLVER_LOG:
        return dnsmasq.rows(line, time.time())
    row = squid.row(line)
    return None if row is None else [row]


def _end(journal: Journal, log: Log, mark: Bookmark, dead: set[int]) -> None:
    bridge = _bridge(log, mark)
    with journal.writing():
        journal.add(bridge.finish(dead))
        journal.bookmark(log.file, replace(mark, state=bridge.state()))


def _bridge(log: Log, mark: Bookmark) -> Bridge:
    return Bridge(log.service or "", mark.state if log.service else "")


def _known(journal: Journal, log: Log, handle: int) -> Bookmark:
    """Return where to go on: at the beginning when it is another file, or was cut short."""
    mark = journal.bookmarks().get(log.file)
    if mark is None:
        return Bookmark(log.name)
    if mark.offset > os.fstat(handle).st_size or _hash(handle, mark.head) != mark.hash:
        forget(journal, log.file, mark)
        return Bookmark(log.name)
    return replace(mark, name=log.name)


def _hash(handle: int, length: int) -> str:
    return hashlib.sha256(os.pread(handle, length, 0)).hexdigest()


def _plain(facts: os.stat_result) -> bool:
    """Tell whether it is a regular file under one name: root must not read another's by a link."""
    return stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1


def _file(facts: os.stat_result) -> File:
    return str(facts.st_dev), str(facts.st_ino)
