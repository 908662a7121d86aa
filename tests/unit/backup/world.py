"""A small repository, and what is backed up into it: for the tests of this folder."""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clawkeep.backup import keys, pipe
from clawkeep.backup.create import Made, create
from clawkeep.backup.records import Record, records
from clawkeep.backup.repository import Repository
from clawkeep.backup.storage import Folder, Storage

KEY = keys.new_key()
LIMIT = 1 << 40


def repository(path: Path, key: str = KEY) -> Repository:
    """Return a new repository in a folder of its own."""
    folder = Folder(path)
    folder.make()
    return Repository.create(folder, key, scrypt_n=1 << 10)


def opened(storage: Storage | Path, key: str = KEY) -> Repository:
    return Repository.open(Folder(storage) if isinstance(storage, Path) else storage, key)


def feed(
    root: Path, name: str = "agent", most_bytes: int = LIMIT, **source: Any
) -> Iterator[Record]:
    """Yield what the reader sends of a folder; it runs as it does in a guest."""
    question = {"sources": [{"name": name, "root": str(root), **source}]}
    with subprocess.Popen(
        [sys.executable, "-I", "-c", pipe.BOOTSTRAP],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pipe.program("reader", question))
        process.stdin.close()
        answer = pipe.Pipe(process.stdout.fileno(), "reader", silent_s=30)
        yield from records(answer, "reader", frozenset({name}), most_bytes)


def backed_up(repository: Repository, root: Path, **source: Any) -> Made:
    return create(repository, lambda: feed(root, **source), ["agent"])


def said(lines: bytes, **options: Any) -> list[Record]:
    """Return what is made of an answer that some guest sent."""
    read, write = os.pipe()

    def send() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as out:
            out.write(lines)

    threading.Thread(target=send, daemon=True).start()
    with os.fdopen(read, "rb"):
        source = pipe.Pipe(read, "guest", silent_s=5)
        return list(records(source, "guest", frozenset({"agent"}), options.get("most", LIMIT)))


def tree(root: Path) -> Path:
    """Lay out a small state of an agent, with a database."""
    for folder in ("groups/main/logs", "store", "empty"):
        (root / folder).mkdir(parents=True)
    (root / "groups/main/CLAUDE.md").write_text("memory\n")
    (root / "groups/main/CLAUDE.md").chmod(0o640)
    (root / "groups/main/logs/run.log").write_text("noise\n")
    (root / "groups/main/link").symlink_to("CLAUDE.md")
    (root / "big").write_bytes(os.urandom(5 << 20))
    (root / ".env").write_text("TOKEN=x\n")
    (root / "nothing").touch()
    database(root / "store/messages.db", 300)
    return root


def database(path: Path, rows: int) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, text TEXT)")
        db.executemany("INSERT INTO messages (text) VALUES (?)", [("x" * 200,)] * rows)
    db.close()


def objects(path: Path) -> list[Path]:
    """Return the files of a repository, but for its lock."""
    return sorted(p for p in path.rglob("*") if p.is_file() and p.name != "lock")


def stream(data: bytes) -> io.BytesIO:
    return io.BytesIO(data)
