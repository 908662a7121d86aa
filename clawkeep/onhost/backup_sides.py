"""The two sides that a backup is read from: the host itself, and the guest over its agent (vsock).

In the guest a program runs as its service's user; the host's files are read by the same program, as
root. Neither is installed: it is sent on stdin, and its answer is checked line by line.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clawkeep import tart
from clawkeep.backup import pipe
from clawkeep.backup.errors import BackupError
from clawkeep.backup.manifest import Sqlite
from clawkeep.backup.plan import Plan, Source
from clawkeep.backup.records import Record, records
from clawkeep.backup.repository import Backup, Repository
from clawkeep.backup.restore import looked
from clawkeep.backup.send import sent
from clawkeep.onhost import paths, world
from clawkeep.onhost.plain import plain
from clawkeep.policy import Policy, PolicyError

PYTHON = ("-I", "-c", pipe.BOOTSTRAP)
GUEST_PYTHON = "/usr/bin/python3"
SILENT_S = 300
"""A large database is checked before anything of it comes."""

SCRATCH = paths.STATE / "backup"
STATE = "agent"
LABEL = "com.nanoclaw"
CARRIED = (".env", "credentials", "logs", "release.json")
"""What the state keeps when a backup without it is put back."""


def feed(plan: Plan) -> Iterator[Record]:
    """Yield what both sides send. Raises BackupError."""
    most = plan.max_gb << 30
    if sources := [source for source in plan.sources if source.where == "host"]:
        options = {"env": world.ENVIRONMENT, "cwd": "/"}
        yield from _read("host", [sys.executable, *PYTHON], options, sources, most)
    if sources := [source for source in plan.sources if source.where == "guest"]:
        policy = _policy()
        yield from _read("guest", _in_guest(policy, plan), world.owner(policy), sources, most)


def _policy() -> Policy:
    try:
        return world.policy()
    except PolicyError as error:
        raise BackupError(str(error)) from error


def _in_guest(policy: Policy, plan: Plan) -> list[str]:
    as_user = ("sudo", "-n", "-H", "-u", plan.user, "--", GUEST_PYTHON, *PYTHON)
    return [tart.TART, "exec", "-i", policy.guest, *as_user]


def _read(
    who: str, command: Sequence[str], options: dict[str, Any], sources: list[Source], most: int
) -> Iterator[Record]:
    question = {"sources": [asdict(source) for source in sources]}
    allowed = frozenset(source.name for source in sources)
    with _started(command, options) as (process, said):
        if process.stdin is None or process.stdout is None:
            raise AssertionError("pipes were asked for")
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(pipe.program("reader", question))
            process.stdin.close()
        answer = pipe.Pipe(process.stdout.fileno(), f"the {who}", SILENT_S)
        try:
            yield from records(answer, f"the {who}", allowed, most)
        except BackupError as error:
            raise BackupError(f"{error}{said()}") from error


@contextmanager
def _started(
    command: Sequence[str], options: dict[str, Any]
) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """Run a program; with it comes what tells what it said on stderr. It ends with the block."""
    with tempfile.TemporaryFile() as errors:

        def said() -> str:
            errors.seek(0)
            text = errors.read(4000).decode(errors="replace").strip()
            return f" ({plain(' '.join(text.split()), 300)})" if text else ""

        options = {"start_new_session": True, **options}
        with subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            **options,
        ) as process:
            try:
                yield process, said
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                # Closed here: Popen's own end would flush into a pipe that nobody reads.
                for end in (process.stdin, process.stdout):
                    with contextlib.suppress(OSError):
                        if end is not None:
                            end.close()


def to_guest(repository: Repository, backup: Backup, plan: Plan) -> dict[str, Any]:
    """Put the agent's state of a backup in the guest; return what the guest says of it.

    Raises BackupError, also when the guest refuses; then nothing is changed there.
    """
    source = next((s for s in plan.sources if s.name == STATE and s.name in backup.sources), None)
    if source is None:
        raise BackupError(f"{backup.name} holds no state of an agent, or none is declared")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    task = {"root": source.root, "label": LABEL, "stamp": stamp, "carry": CARRIED}
    policy = _policy()
    with _started(_in_guest(policy, plan), world.owner(policy)) as (process, said):
        if process.stdin is None or process.stdout is None:
            raise AssertionError("pipes were asked for")
        problem: list[BaseException] = []

        def write() -> None:
            try:
                process.stdin.write(pipe.program("writer", task))  # type: ignore[union-attr]
                for piece in sent(repository, backup, STATE):
                    process.stdin.write(piece)  # type: ignore[union-attr]
            except (BackupError, OSError) as error:
                problem.append(error)
            with contextlib.suppress(OSError):
                process.stdin.close()  # type: ignore[union-attr]

        # Beside the answer: a guest that refuses at once reads nothing more.
        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        line = pipe.Pipe(process.stdout.fileno(), "the guest", SILENT_S * 4).line()
        if problem and isinstance(problem[0], BackupError):
            raise problem[0]
        return _answer(line, said())


def _answer(line: bytes, said: str) -> dict[str, Any]:
    try:
        answer = json.loads(line)
        if answer["ok"] is True:
            return {"files": int(answer["files"]), "kept": plain(str(answer["kept"]))}
        why = plain(str(answer["why"]), 400)
    except (ValueError, KeyError, TypeError):
        why = f"no answer{said}"
    raise BackupError(f"the guest changed nothing: {why}")


def looked_by_nobody(path: Path) -> Sqlite:
    """Return what SQLite says of a database that a guest made; asked as nobody, on a copy.

    What a hostile guest can do to SQLite by a file it must not do as root.
    """
    account = pwd.getpwnam("nobody")
    SCRATCH.mkdir(mode=0o711, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH, prefix="test-look-") as folder:
        copy = Path(folder) / "copy"
        shutil.copyfile(path, copy)
        options = world.as_user(account.pw_uid, account.pw_gid, env=world.ENVIRONMENT)
        if os.geteuid() == 0:
            for name in (folder, copy):
                os.chown(name, options["user"], options["group"])
        return looked(copy, **options)
