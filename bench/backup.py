"""Times a backup beside `tar | openssl enc`, and looks at its memory: `python -m bench.backup`.

The same folder (incompressible files of 64 MB, and small ones) is read by both, in turn, from a
warm page cache; both results are synced. `openssl enc` knows no authenticated cipher, cuts nothing
into pieces and names nothing: it is the least that somebody could do by hand. The memory is the
greatest resident set of the process that encrypts, and of the reader that it started, for the
smallest and the largest folder. What was backed up must come back, or there is no result. Needs
three times the largest size on the disk of TMPDIR. Exit status: command.py.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.command import Result, parser, run, say
from bench.report import Target
from bench.series import FailedError
from clawkeep.backup import keys, pipe
from clawkeep.backup.create import create
from clawkeep.backup.records import Record, records
from clawkeep.backup.repository import Repository
from clawkeep.backup.restore import compare, looked, restore
from clawkeep.backup.storage import Folder

FILE = 64 << 20
SMALL, SMALL_SIZE = 1000, 8 << 10
KEY = "clawkeep-backup-key-" + "00" * 32


@dataclass(frozen=True)
class Figure:
    """One folder: its bytes, the best seconds of both, megabytes of memory of ours."""

    bytes: int
    ours_s: float
    again_s: float
    peer_s: float
    rss_mb: float
    reader_mb: float


def lay_out(folder: Path, gigabytes: int) -> int:
    """Make a folder of so many GB; return its bytes."""
    folder.mkdir()
    (folder / "small").mkdir()
    for number in range(SMALL):
        (folder / "small" / f"{number:04}").write_bytes(os.urandom(SMALL_SIZE))
    left, number = gigabytes * 10**9 - SMALL * SMALL_SIZE, 0
    while left > 0:
        with (folder / f"{number:04}").open("wb") as file:
            size = min(FILE, left)
            file.write(os.urandom(size))
        left, number = left - size, number + 1
    return gigabytes * 10**9


def feed(folder: Path) -> Iterator[Record]:
    """Yield what the reader sends, as in a guest."""
    question = {"sources": [{"name": "agent", "root": str(folder)}]}
    with subprocess.Popen(
        [sys.executable, "-I", "-c", pipe.BOOTSTRAP], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("pipes were asked for")
        process.stdin.write(pipe.program("reader", question))
        process.stdin.close()
        answer = pipe.Pipe(process.stdout.fileno(), "reader")
        yield from records(answer, "reader", frozenset({"agent"}), 1 << 50)


def once(home: Path, folder: Path) -> None:
    """Make one backup in this process, and print what it took as JSON."""
    started = time.perf_counter()
    made = create(Repository.open(Folder(home), KEY), lambda: feed(folder), ["agent"])
    seconds = time.perf_counter() - started
    own, child = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(json.dumps({"s": seconds, "rss": own, "reader": child, "added": made.backup.added}))


def ours(home: Path, folder: Path) -> dict[str, float]:
    """Make one backup in a process of its own. Raises FailedError."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.backup", "--once", str(home), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise FailedError(f"the backup failed: {done.stderr[-500:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def peer(folder: Path, out: Path, password: Path) -> float:
    """Return the seconds of tar and openssl, synced."""
    started = time.perf_counter()
    command = (
        'set -e; tar -C "$1" -cf - . | openssl enc -aes-256-ctr -pbkdf2 -pass "file:$3" -out "$2"; '
        'sync "$2"'
    )
    subprocess.run(["sh", "-c", command, "sh", str(folder), str(out), str(password)], check=True)
    seconds = time.perf_counter() - started
    if out.stat().st_size < 10**9:
        raise FailedError("tar and openssl wrote too little")
    out.unlink()
    return seconds


def measure(work: Path, gigabytes: int, turns: int) -> Figure:
    """Return the best of both, in turn. Raises FailedError."""
    say(f"{gigabytes} GB")
    folder, home, password = work / "data", work / "repository", work / "password"
    size = lay_out(folder, gigabytes)
    password.write_text("a passphrase for the peer\n")
    mine, again, theirs = list[dict[str, float]](), list[float](), list[float]()
    for _ in range(turns):
        theirs.append(peer(folder, work / "out", password))
        shutil.rmtree(home, ignore_errors=True)
        Folder(home).make()
        Repository.create(Folder(home), KEY)
        mine.append(ours(home, folder))
        second = ours(home, folder)
        if second["added"]:
            raise FailedError("a second backup wrote what was there")
        again.append(second["s"])
    it = Repository.open(Folder(home), keys.checked(KEY))
    if gigabytes == 1:
        backup = it.catalogue().get("latest")
        restore(it, backup, work / "back")
        if found := compare(it, backup, work / "back", looked).differences:
            raise FailedError(f"what came back is something else: {found[0]}")
        shutil.rmtree(work / "back")
    shutil.rmtree(folder)
    shutil.rmtree(home)
    return Figure(
        size,
        min(m["s"] for m in mine),
        min(again),
        min(theirs),
        max(m["rss"] for m in mine),
        max(m["reader"] for m in mine),
    )


def targets(figures: Sequence[Figure]) -> list[Target]:
    """Return what was promised: memory that does not grow, and a speed beside the peer's."""
    first, last = figures[0], figures[-1]
    grown = max(last.rss_mb / first.rss_mb, last.reader_mb / first.reader_mb)
    return [
        Target(f"memory, {last.bytes // 10**9} GB / {first.bytes // 10**9} GB", grown, 1.15),
        Target("seconds, ours / tar | openssl", last.ours_s / last.peer_s, 2.0),
    ]


def table(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the figures for a terminal."""
    yield f"{'GB':>4} {'backup':>11} {'again':>11} {'tar|openssl':>12} {'memory':>9} {'reader':>9}"
    for one in figures:
        speeds = (one.bytes / 1e6 / s for s in (one.ours_s, one.again_s, one.peer_s))
        a, b, c = (f"{speed:.0f} MB/s" for speed in speeds)
        memory = f"{one.rss_mb:6.0f} MB {one.reader_mb:6.0f} MB"
        yield f"{one.bytes // 10**9:4} {a:>11} {b:>11} {c:>12} {memory}"


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["--once"]:
        once(Path(words[1]), Path(words[2]))
        return 0
    made = parser(__doc__, turns=2)
    made.add_argument("--gb", type=int, nargs="+", default=[1, 10], help="sizes (1 10)")
    options = made.parse_args(words)

    def benchmark(work: Path) -> Result:
        figures = [measure(work, size, options.turns) for size in sorted(options.gb)]
        return Result(table(figures), targets(figures), [vars(one) for one in figures])

    return run(benchmark, options.json)


if __name__ == "__main__":
    sys.exit(main())
