"""The cleaned log: dated lines in numbered files, and the bookmark that binds them to the raw ones.

A line of the cleaned log is `TIME STREAM TEXT`: 28 characters of local time with its offset, `out`,
`err`, `job` or `---` (a notice of ours), then `+` when more of the same line follows, else a blank.

How far the raw logs are read and how far the cleaned one is written stand in one file, which is
replaced at once. What was appended without it is cut off by the next run and made again: wherever
the collector is killed, no line is lost or doubled. Readers never look beyond the bookmark.
Runs in the guest on its own Python 3.9.
"""

import json
import os
import re

import logclean

BOOKMARK = "bookmark.json"
SEGMENT = re.compile(r"agent-(\d{6,})\.log")
WIDTH = 28
"""Characters of a line's time."""

VERSION = 1


class Place:
    """A place in the cleaned log, written `SEGMENT:OFFSET`."""

    def __init__(self, segment, offset):
        self.segment, self.offset = segment, offset

    @classmethod
    def parse(cls, text):
        """Read what `str` wrote. Raises ValueError."""
        segment, _, offset = text.partition(":")
        return cls(int(segment), int(offset))

    def __str__(self):
        return "%d:%d" % (self.segment, self.offset)


def empty():
    """Return the bookmark before anything was read."""
    return {
        "version": VERSION, "segment": 1, "length": 0, "begun": 0.0, "files": {}, "signs": {},
        "flow": [], "flood": 0.0, "checked": 0.0,
    }  # fmt: skip


def load(folder):
    """Return the bookmark; `empty()` when there is none, or one that nobody can read."""
    try:
        with open(os.path.join(folder, BOOKMARK), encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return empty()
    except ValueError:
        return _rebuilt(folder)
    if found.get("version") != VERSION:
        return _rebuilt(folder)
    # Once a file was known by its disk's number, too.
    known = ((name.rpartition(":")[2], each) for name, each in found["files"].items())
    found["files"] = {name: dict(each, key=name) for name, each in known}
    return found


def _rebuilt(folder):
    """Return a bookmark in place of a damaged one: the raw logs are read anew."""
    mark = empty()
    mark["segment"] = max(segments(folder), default=0) + 1
    return mark


def segments(folder):
    """Return the numbers of the files of the cleaned log, oldest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(match.group(1)) for match in map(SEGMENT.fullmatch, names) if match)


def path(folder, number):
    """Return the path of one file of the cleaned log."""
    return os.path.join(folder, "agent-%06d.log" % number)


def line(moment, stream, more, text):
    """Return one line of the cleaned log, as bytes."""
    head = "%s %s%s " % (logclean.iso(moment), stream, "+" if more else " ")
    return head.encode() + text + b"\n"


def commit(folder, mark, data, now, limits):
    """Append `data` to the cleaned log and replace the bookmark by `mark`, changed accordingly.

    `limits` are `file_bytes` and `file_s`, from which a new file begins.
    """
    full = mark["length"] >= limits["file_bytes"]
    old = mark["begun"] and now - mark["begun"] >= limits["file_s"]
    if mark["length"] and data and (full or old):
        _append(path(folder, mark["segment"]), mark["length"], b"")
        mark.update(segment=mark["segment"] + 1, length=0)
    if data:
        if mark["length"] == 0:
            mark["begun"] = now
        _append(path(folder, mark["segment"]), mark["length"], data)
        mark["length"] += len(data)
    new = os.path.join(folder, BOOKMARK + "~")
    with open(new, "w", encoding="utf-8") as file:
        json.dump(mark, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, os.path.join(folder, BOOKMARK))
    _sync_folder(folder)


def _append(name, length, data):
    """Write `data` at `length`, where the committed part of the file ends."""
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if os.fstat(fd).st_size != length:
            os.ftruncate(fd, length)
        rest, offset = memoryview(data), length
        while rest:
            written = os.pwrite(fd, rest, offset)
            rest, offset = rest[written:], offset + written
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_folder(folder):
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def prune(folder, now, limits):
    """Remove the oldest files: more than `files`, more than `total_bytes`, or older than `days`."""
    numbers = segments(folder)[::-1][1:]
    kept, total = 1, 0
    for number in numbers:
        name = path(folder, number)
        status = os.stat(name)
        kept, total = kept + 1, total + status.st_size
        if (
            kept > limits["files"]
            or total > limits["total_bytes"]
            or status.st_mtime < now - limits["days"] * 86400
        ):
            os.unlink(name)


def begin(folder, since):
    """Return the `Place` from which lines are to be read that are as late as `since`."""
    numbers = segments(folder)
    start = numbers[0] if numbers else 1
    for number in numbers:
        with open(path(folder, number), "rb") as file:
            first = file.read(WIDTH)
        try:
            if logclean.moment_of(first.decode()) > since:
                break
        except ValueError:
            continue
        start = number
    return Place(start, 0)


def lines(folder, place, most=1 << 20):
    """Return ((place after it, line), …) of what is committed after `place`, at most about `most`.

    Moves on to the next file where one ends; when the wanted one has been removed, to the oldest.
    """
    mark = load(folder)
    while True:
        if place.segment > mark["segment"]:
            return []
        last = place.segment == mark["segment"]
        try:
            with open(path(folder, place.segment), "rb") as file:
                file.seek(place.offset)
                size = mark["length"] - place.offset if last else most
                data = file.read(max(0, min(size, most)))
                if data and not data.endswith(b"\n"):
                    data += file.readline()
        except FileNotFoundError:
            data = b""
        if data:
            return _numbered(place, data)
        if last:
            return []
        later = [number for number in segments(folder) if number > place.segment]
        place = Place(min(later, default=mark["segment"]), 0)


def _numbered(place, data):
    found, offset = [], place.offset
    for each in data[:-1].split(b"\n"):
        offset += len(each) + 1
        found.append((Place(place.segment, offset), each))
    return found
