"""Reads the log files that launchd keeps open for NanoClaw, and gives their space back. Python 3.9.

launchd holds the file as long as the process lives, so it can be neither renamed away nor cut: what
is written between a look at its size and a truncation would be lost (reference/macos.md §4.2).
Instead what has been read is deallocated (a hole): the size stays, the disk space is free, and not
a byte that comes later is touched. A file that has grown long and that nobody holds any more is
renamed, read to its end, and removed.
"""

import ctypes
import fcntl
import hashlib
import os
import re
import struct
import subprocess
import sys
from datetime import datetime, timedelta

import logclean

BATCH = 1 << 20
MAX_LINE = 1 << 18
"""Bytes: a longer line is taken in pieces."""

BLOCK = 4096
HOLE = 1 << 20
"""Bytes that are worth a hole."""

RETIRE = 64 << 20
"""Bytes, holes included, from which a file that nobody holds is taken away."""

DONE = ".done"
TAIL = 64
DAY_S = 86400
STAMPS = re.compile(rb"^" + logclean.STAMP.pattern, re.MULTILINE)


class Batch:
    """Lines that have been read but not committed yet, and the mark that committing them makes."""

    def __init__(self, name, mark):
        self.name, self.mark = name, mark
        self.lines = []
        """(line without its newline, whether more of the same line follows)."""
        self.size, self.written = 0, 0.0
        self.seen = mark["seen"]
        self.again = False
        """Whether more may be waiting."""
        self.notice = ""


def read(folder, name, marks, redactor, now):
    """Return the next `Batch` of file `name`, None when there is no such file.

    `marks` say how far files are read, by `device:inode`: a file keeps its mark when it is renamed.
    Raises OSError for one that is there and cannot be read.
    """
    try:
        fd = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        return _read(fd, name, marks, redactor, now)
    finally:
        os.close(fd)


def key(status):
    """Return by what a file is known, beside its tail.

    Not by its disk's number: that is another one after some boots, and all lines would come again.
    """
    return "%d" % status.st_ino


def fresh(status):
    """Return the mark of a file of which nothing has been read."""
    return {
        "key": key(status), "offset": 0, "tail": "", "seen": 0.0, "last": 0.0, "ended": False,
    }  # fmt: skip


def _read(fd, name, marks, redactor, now):
    status = os.fstat(fd)
    notice = ""
    mark = marks.get(key(status))
    if mark is None or (mark["ended"] and not name.endswith(DONE)):
        # New; or one that got the number of a file that is read and removed.
        mark = fresh(status)
        mark["offset"] = _first_data(fd, status.st_size)
    elif status.st_size < mark["offset"] or mark["tail"] != _tail(fd, mark["offset"]):
        notice = "%s was cut or replaced by somebody else; read from its beginning" % name
        mark = fresh(status)
    batch = Batch(name, dict(mark))
    batch.notice = notice
    data = os.pread(fd, BATCH, mark["offset"])
    status = os.fstat(fd)
    batch.size, batch.written = status.st_size, max(status.st_mtime, 0.0)
    batch.again = len(data) == BATCH
    offset = mark["offset"] + _split(batch, data, redactor)
    if batch.again and batch.written - mark["seen"] > DAY_S - 3600:
        batch.written = _bound(fd, offset, batch.written)
    if not batch.again:
        batch.mark["seen"] = now
    batch.mark["offset"] = offset
    batch.mark["tail"] = _tail(fd, offset)
    return batch


def _split(batch, data, redactor):
    """Put the whole lines of `data` into the batch; return how many bytes were used."""
    *lines, rest = data.split(b"\n")
    batch.lines = [(line, False) for line in lines]
    used = len(data) - len(rest)
    while len(rest) > MAX_LINE + redactor.longest:
        piece = rest[: redactor.cut(rest, MAX_LINE)]
        rest = rest[len(piece) :]
        batch.lines.append((piece, True))
        used += len(piece)
    return used


def flush(folder, batch):
    """Add to the batch of a file that has ended the last line, which has no newline."""
    batch.mark["ended"] = True
    with open(os.path.join(folder, batch.name), "rb") as file:
        file.seek(batch.mark["offset"])
        rest = file.read(MAX_LINE * 2)
        if rest:
            batch.lines.append((rest, False))
            batch.mark["offset"] += len(rest)
            batch.mark["tail"] = _tail(file.fileno(), batch.mark["offset"])


def _tail(fd, offset):
    """Return by what the bytes before `offset` are known: a number of a file is given away anew."""
    start = max(0, offset - TAIL)
    return hashlib.sha256(os.pread(fd, offset - start, start)).hexdigest()


def _first_data(fd, size):
    """Return where the first byte is that is no hole."""
    try:
        return os.lseek(fd, 0, os.SEEK_DATA) if size else 0
    except OSError:
        return 0


def _bound(fd, offset, written):
    """Return until when the lines before `offset` were written, by the midnights after it."""
    midnights, first, last = 0, None, None
    while True:
        data = os.pread(fd, BATCH, offset)
        for match in STAMPS.finditer(data):
            clock = tuple(int(part) for part in match.groups())
            first = first or clock
            if last and _seconds(clock) < _seconds(last) - logclean.SLACK_S:
                midnights += 1
            last = clock
        if len(data) < BATCH:
            break
        offset += len(data)
    if first is None:
        return written
    (end,) = logclean.moments([last], 0.0, written)
    day = datetime.fromtimestamp(end) - timedelta(days=midnights)
    hour, minute, second, ms = first
    return day.replace(hour=hour, minute=minute, second=second, microsecond=ms * 1000).timestamp()


def _seconds(clock):
    return clock[0] * 3600 + clock[1] * 60 + clock[2] + clock[3] / 1000


def punch(folder, batch, start):
    """Free the space of what has been read and committed, from `start`; return the hole's new end.

    The last block stays: by it the file is known again. Raises OSError where the file system makes
    no holes.
    """
    end = (batch.mark["offset"] - BLOCK) // BLOCK * BLOCK
    if end - start < HOLE:
        return start
    fd = os.open(os.path.join(folder, batch.name), os.O_WRONLY | os.O_NOFOLLOW)
    try:
        if key(os.fstat(fd)) == batch.mark["key"]:
            _deallocate(fd, start, end - start)
        return end
    finally:
        os.close(fd)


def _deallocate(fd, offset, length):
    if sys.platform == "darwin":
        # struct fpunchhole of <sys/fcntl.h>: flags, reserved, offset, length; F_PUNCHHOLE is 99.
        fcntl.fcntl(fd, 99, struct.pack("=IIqq", 0, 0, offset, length))
        return
    libc = ctypes.CDLL(None, use_errno=True)
    keep_size_and_punch = 3
    if libc.fallocate(fd, keep_size_and_punch, ctypes.c_int64(offset), ctypes.c_int64(length)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def held(path):
    """Tell whether a process has the file open; yes when that cannot be learned."""
    try:
        done = subprocess.run(
            ["/usr/sbin/lsof", "-t", "--", path], capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return True
    return not (done.returncode == 1 and not done.stdout.strip() and not done.stderr.strip())
