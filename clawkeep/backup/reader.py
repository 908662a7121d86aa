"""Reads what is to be backed up, where it is, and sends it: in the guest, or on the host.

Stdin: the length of this program, the program, and a question as one line of JSON:
{"sources": [{"name", "root", "only": [pattern], "skip": [pattern]}]}. Stdout: lines of JSON; the
bytes that a line announces follow it. Whatever is read is opened by its folder and never through a
link, so that whoever may write in one of the folders cannot lead this program out of it.

SQLite files are copied by SQLite's own backup API: a plain copy of one in WAL mode can have no
tables at all (reference/nanoclaw.md §3.1). Standard library, Python 3.9.
"""

import fnmatch
import json
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import time

PIECE = 1 << 20
TRIES = 3
AGAIN_S = 0.3
LOCKED_S = 30.0
DEEPEST = 100
CHANGED = "changed while it was read, each time"
HEADER = b"SQLite format 3\0"
COMPANIONS = ("-wal", "-shm", "-journal")
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)


class Reader:
    """Sends sources to `out`, a binary file."""

    def __init__(self, out):
        self.out = out
        self.source = ""
        self.root = ""
        self.only, self.skip = [], []

    def say(self, kind, **values):
        """Send one line."""
        line = json.dumps(dict(values, k=kind), separators=(",", ":"))
        self.out.write(line.encode("ascii") + b"\n")

    def read(self, source):
        """Send one source: its folders, files and links, in order."""
        self.source = source["name"]
        self.root = os.path.expanduser(source["root"])
        self.only = [pattern.split("/") for pattern in source.get("only", [])]
        self.skip = [pattern.split("/") for pattern in source.get("skip", [])]
        try:
            folder = os.open(self.root, FLAGS | os.O_DIRECTORY)
        except FileNotFoundError:
            self.say("absent", source=self.source, root=self.root)
            return
        except OSError as error:
            self.say("failed", source=self.source, path="", why=error.strerror)
            return
        self._folder(folder, "", os.fstat(folder), ours=True)

    def _folder(self, folder, path, info, ours):
        """Send a folder, which is open as `folder`, and what is in it; close it."""
        try:
            self._entry("folder", path, info)
            ours = ours and info.st_uid == os.geteuid() and not info.st_mode & 0o022
            try:
                names = sorted(os.listdir(folder))
            except OSError as error:
                self.say("failed", source=self.source, path=path, why=error.strerror)
                return
            databases = set()
            for name in names:
                inner = path + "/" + name if path else name
                if self._wanted(inner):
                    self._one(folder, name, inner, ours, databases)
        finally:
            os.close(folder)

    def _one(self, folder, name, path, ours, databases):
        base = next((name[: -len(end)] for end in COMPANIONS if name.endswith(end)), None)
        if base in databases:
            self.say("skipped", source=self.source, path=path, why="belongs to " + base)
            return
        try:
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISLNK(info.st_mode):
                target = os.readlink(name, dir_fd=folder)
                self._entry("link", path, info, target=target)
            elif stat.S_ISDIR(info.st_mode) and path.count("/") >= DEEPEST:
                self.say("failed", source=self.source, path=path, why="too many folders deep")
            elif stat.S_ISDIR(info.st_mode):
                handle = os.open(name, FLAGS | os.O_DIRECTORY, dir_fd=folder)
                self._folder(handle, path, os.fstat(handle), ours)
            elif stat.S_ISREG(info.st_mode):
                self._file(folder, name, path, ours, databases)
            else:
                self.say("skipped", source=self.source, path=path, why="neither file nor folder")
        except FileNotFoundError:
            pass  # Gone since it was listed: it is not there to be kept.
        except OSError as error:
            self.say("failed", source=self.source, path=path, why=error.strerror or str(error))

    def _file(self, folder, name, path, ours, databases):
        handle = os.open(name, FLAGS, dir_fd=folder)
        try:
            info = os.fstat(handle)
            if not stat.S_ISREG(info.st_mode):
                self.say("skipped", source=self.source, path=path, why="neither file nor folder")
                return
            if os.pread(handle, len(HEADER), 0) == HEADER:
                databases.add(name)
                if self._database(folder, name, path, info, ours):
                    return
            self._entry("file", path, info)
            self._plain(handle)
        finally:
            os.close(handle)

    def _plain(self, handle):
        """Send a file's content; what changes meanwhile is sent again, at last with a note."""
        for left in reversed(range(TRIES)):
            before = _state(os.fstat(handle))
            os.lseek(handle, 0, os.SEEK_SET)
            size = before[0]
            while size > 0:
                piece = os.read(handle, min(PIECE, size))
                if not piece:
                    break
                self._data(piece)
                size -= len(piece)
            if _state(os.fstat(handle)) == before:
                self.say("done")
                return
            if left:
                self.say("again")
                time.sleep(AGAIN_S)
        self.say("done", note=CHANGED)

    def _database(self, folder, name, path, info, ours):
        """Send a consistent copy of a SQLite file; False when SQLite cannot read it."""
        scratch = tempfile.mkdtemp(prefix="clawkeep-backup-")
        try:
            copy = os.path.join(scratch, "copy")
            try:
                if ours:
                    _backed_up(os.path.join(self.root, path), copy)
                else:
                    _backed_up(self._fetched(folder, name, scratch), copy)
                found = looked(copy)
            except (sqlite3.Error, OSError) as error:
                self.say("unopened", source=self.source, path=path, why=str(error))
                return False
            self._entry("file", path, info)
            with open(copy, "rb") as file:
                for piece in iter(lambda: file.read(PIECE), b""):
                    self._data(piece)
            self.say("done", sqlite=found)
            return True
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _fetched(self, folder, name, scratch):
        """Copy a database that others may write to: SQLite is not let at the original.

        A rollback journal is left behind: SQLite removes files that one names.
        """
        for _ in range(TRIES):
            before = _states(folder, name)
            for end in ("", "-wal"):
                try:
                    handle = os.open(name + end, FLAGS, dir_fd=folder)
                except FileNotFoundError:
                    continue
                with (
                    os.fdopen(handle, "rb") as old,
                    open(os.path.join(scratch, "fetched" + end), "wb") as new,
                ):
                    shutil.copyfileobj(old, new, PIECE)
            if _states(folder, name) == before:
                return os.path.join(scratch, "fetched")
            time.sleep(AGAIN_S)
        raise OSError(CHANGED)

    def _data(self, piece):
        self.say("data", n=len(piece))
        self.out.write(piece)

    def _entry(self, kind, path, info, **more):
        mode = stat.S_IMODE(info.st_mode) & 0o777
        mtime = round(info.st_mtime, 3)
        self.say(kind, source=self.source, path=path, mode=mode, mtime=mtime, **more)

    def _wanted(self, path):
        parts = path.split("/")
        if any(_matches(pattern, parts) for pattern in self.skip):
            return False
        return not self.only or any(_leads(pattern, parts) for pattern in self.only)


def _matches(pattern, parts):
    """Tell whether a pattern is about this very path; `**/x` is about any x."""
    if pattern[0] == "**":
        parts, pattern = parts[-(len(pattern) - 1) :], pattern[1:]
    return len(parts) == len(pattern) and _fits(pattern, parts)


def _leads(pattern, parts):
    """Tell whether a path is on the way to what a pattern is about, or in it."""
    return _fits(pattern, parts)


def _fits(pattern, parts):
    return all(fnmatch.fnmatchcase(part, want) for want, part in zip(pattern, parts))


def _state(info):
    return (info.st_size, info.st_mtime_ns, info.st_ctime_ns)


def _states(folder, name):
    found = []
    for end in ("", "-wal"):
        try:
            found.append(_state(os.stat(name + end, dir_fd=folder, follow_symlinks=False)))
        except FileNotFoundError:
            found.append(None)
    return found


def _backed_up(path, copy):
    """Copy a database as of one moment. Raises sqlite3.Error."""
    deadline = time.monotonic() + LOCKED_S

    def progress(_status, _remaining, _total):
        if time.monotonic() > deadline:
            raise sqlite3.OperationalError("is locked by somebody for long")

    source = sqlite3.connect(_uri(path, "rw"), uri=True, timeout=LOCKED_S)
    try:
        source.execute("PRAGMA trusted_schema = OFF")
        target = sqlite3.connect(copy)
        try:
            # All in one step: a step at a time begins anew whenever somebody writes.
            source.backup(target, progress=progress, sleep=0.1)
        finally:
            target.close()
    finally:
        source.close()


def looked(path):
    """Return what SQLite says of a database that nobody else has open: its check, its rows."""
    database = sqlite3.connect(_uri(path, "ro") + "&immutable=1", uri=True)
    try:
        database.execute("PRAGMA trusted_schema = OFF")
        said = [str(row[0]) for row in database.execute("PRAGMA integrity_check(5)")]
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        tables = {}
        for (name,) in names[:1000]:
            quoted = '"' + str(name).replace('"', '""') + '"'
            try:
                (count,) = database.execute("SELECT count(*) FROM " + quoted).fetchone()  # noqa: S608
            except sqlite3.Error:
                count = None
            tables[str(name)[:200]] = count
        return {"check": "; ".join(said)[:500], "tables": tables}
    finally:
        database.close()


def _uri(path, mode):
    escaped = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return "file:" + escaped + "?mode=" + mode


def main(stdin, stdout):
    """Answer the question on `stdin`."""
    question = json.loads(stdin.readline())
    reader = Reader(stdout)
    try:
        for source in question["sources"]:
            reader.read(source)
        reader.say("end")
        stdout.flush()
    except BrokenPipeError:
        # Whoever asked has gone; Python would say so once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
