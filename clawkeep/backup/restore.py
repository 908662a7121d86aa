"""Brings a backup back into an empty folder, and compares what is on the disk with its manifest."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clawkeep.backup.errors import BackupError
from clawkeep.backup.manifest import Entry, Sqlite, Sum
from clawkeep.backup.repository import Backup, Repository

LOOK_S = 600


@dataclass
class Compared:
    """What a restore brought back: counted, and where it differs from the manifest."""

    files: int = 0
    bytes: int = 0
    databases: int = 0
    rows: int = 0
    differences: list[str] = field(default_factory=list)


#: Returns what SQLite says of a database.
Look = Callable[[Path], Sqlite]


def restore(repository: Repository, backup: Backup, into: Path) -> None:
    """Write the backup's sources as folders of `into`, which must be empty or not there.

    Modes are brought back, owners are not: everything is ours. Links come last, so that nothing is
    ever written through one. Raises DamageError (which names the file), BackupError, OSError.
    """
    _empty(into)
    links, folders = list[Entry](), list[Entry]()
    for entry in _listed(repository, backup):
        path = _at(into, entry)
        if entry.kind == "link":
            links.append(entry)
            continue
        if entry.kind == "folder":
            path.mkdir(mode=0o700, parents=not entry.path)
            folders.append(entry)
            continue
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            for piece in repository.content(entry):
                file.write(piece)
            os.fchmod(file.fileno(), entry.mode)
        os.utime(path, (entry.mtime, entry.mtime))
    for entry in links:
        os.symlink(entry.target, _at(into, entry))
    # The innermost first: a folder that may not be written to takes nothing any more.
    for entry in reversed(folders):
        _at(into, entry).chmod(entry.mode)


def compare(repository: Repository, backup: Backup, into: Path, look: Look) -> Compared:
    """Read everything back from the disk and compare it with the manifest; see `looked`."""
    found = Compared()
    expected: set[str] = set()
    for entry in _listed(repository, backup):
        path = _at(into, entry)
        expected.add(str(path))
        if why := _differs(entry, path):
            found.differences.append(f"{entry.name}: {why}")
        if entry.kind == "file":
            found.files += 1
            found.bytes += entry.size
        if entry.sqlite and not why:
            found.databases += 1
            found.rows += sum(count or 0 for count in entry.sqlite.tables.values())
            if (said := look(path)) != entry.sqlite:
                found.differences.append(f"{entry.name}: {_sqlite_words(entry.sqlite, said)}")
    for path in _all(into):
        if str(path) not in expected:
            found.differences.append(f"{path.relative_to(into)}: is in no manifest")
    return found


def looked(path: Path, **options: Any) -> Sqlite:
    """Return what SQLite says of a database, asked in a process of its own.

    What a guest made is parsed there; `options` are subprocess's own, to run it as somebody else.
    """
    code = (
        "import json, runpy, sys; m = runpy.run_path(sys.argv[1]); "
        "print(json.dumps(m['looked'](sys.argv[2])))"
    )
    reader = Path(__file__).with_name("reader.py")
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", code, str(reader), str(path)],
            capture_output=True,
            text=True,
            timeout=LOOK_S,
            check=False,
            stdin=subprocess.DEVNULL,
            **options,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        check = "".join(c if c.isprintable() else "?" for c in str(found["check"])[:200])
        return Sqlite(check, dict(found["tables"]))
    except subprocess.TimeoutExpired:
        return Sqlite(f"SQLite was not done after {LOOK_S} s")
    except (ValueError, KeyError, TypeError):
        return Sqlite(f"SQLite cannot read it: {done.stderr.strip()[-200:]}")


def _listed(repository: Repository, backup: Backup) -> Iterator[Entry]:
    for entry in repository.entries(backup):
        if not isinstance(entry, Sum):
            yield entry


def _empty(into: Path) -> None:
    try:
        into.mkdir(mode=0o700)
    except FileExistsError:
        if into.is_symlink() or not into.is_dir() or any(into.iterdir()):
            raise BackupError(
                f"{into} is there and is no empty folder; name one that is not there yet"
            ) from None
    except FileNotFoundError:
        raise BackupError(f"{into.parent} is not there; make it, or name another folder") from None


def _at(into: Path, entry: Entry) -> Path:
    # The manifest's own check lets no `..` through.
    return into / entry.source / entry.path if entry.path else into / entry.source


def _differs(entry: Entry, path: Path) -> str:
    """Say how what is on the disk differs from an entry, "" when it does not."""
    try:
        info = path.lstat()
        if entry.kind == "link":
            same = stat.S_ISLNK(info.st_mode) and os.readlink(path) == entry.target
            return "" if same else "is not the link that it was"
        if entry.kind == "folder":
            return _mode(entry, info) if stat.S_ISDIR(info.st_mode) else "is no folder"
        return _file_differs(entry, path, info)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _file_differs(entry: Entry, path: Path, info: os.stat_result) -> str:
    if not stat.S_ISREG(info.st_mode):
        return "is no file"
    if info.st_size != entry.size:
        return f"has {info.st_size} bytes, expected {entry.size}"
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
            return "has another content"
    return _mode(entry, info)


def _mode(entry: Entry, info: os.stat_result) -> str:
    mode = stat.S_IMODE(info.st_mode)
    return "" if mode == entry.mode else f"has mode {mode:o}, expected {entry.mode:o}"


def _sqlite_words(before: Sqlite, now: Sqlite) -> str:
    if before.check != now.check:
        return f"SQLite says {now.check!r}, expected {before.check!r}"
    old, new = asdict(before)["tables"], asdict(now)["tables"]
    tables = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return "; ".join(
        f"table {name} has {new.get(name)} rows, expected {old.get(name)}" for name in tables[:5]
    )


def _all(into: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(into):
        here = Path(folder)
        yield from (here / name for name in files)
        # A source without a folder of its own in the manifest is nobody's either.
        yield from (here / name for name in folders)
