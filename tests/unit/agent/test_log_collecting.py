"""No line is lost or doubled: any chunks, any rotation, killed anywhere, read while it happens."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clawkeep.nanoclaw.profile import PROFILES
from clawkeep.render.agent_logs import log_settings
from tests.unit.agent.guest_programs import load
from tests.unit.agent.test_log_cleaning import zone_changed

logclean: Any = load("logclean")
logcollect: Any = load("logcollect")
lograw: Any = load("lograw")
logstore: Any = load("logstore")

KEEP = {"file_bytes": 200, "file_s": 10**9, "files": 10**6, "total_bytes": 10**12, "days": 10**6}
#: 2026-11-20, in UTC.
MIDNIGHT = 1_795_132_800
STREAMS = {"out": "nanoclaw.log", "err": "nanoclaw.error.log"}


def configured(folder: Path, **changes: Any) -> dict[str, Any]:
    """The settings as they are rendered for 1.2, for logs in `folder`."""
    profile = PROFILES["v1.2"]
    values: dict[str, Any] = json.loads(log_settings(profile, profile.keys))
    secrets = [str(folder / ".env"), str(folder / "credentials")]
    return values | {"folder": str(folder), "streams": STREAMS, "secrets": secrets} | changes


class Killed(BaseException):
    """The collector is gone from one moment to the next, as by SIGKILL."""


class Deadly:
    """`os`, until the n-th change that it makes to the disk: then the process dies."""

    CHANGES = ("pwrite", "ftruncate", "fsync", "replace", "rename", "unlink")

    def __init__(self) -> None:
        self.left: int | None = None
        self.after = False

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._deadly(real) if name in self.CHANGES else real

    def _deadly(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if self.left is None:
                return real(*arguments)
            self.left -= 1
            if self.left >= 0:
                return real(*arguments)
            if self.after:
                real(*arguments)
            elif real is os.pwrite:
                fd, data, offset = arguments
                real(fd, data[: len(data) // 2], offset)
            raise Killed

        return call


class Writer:
    """NanoClaw, whose log launchd has opened for appending."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[tuple[int, bytearray]] = []
        self.fd = -1
        self.start()

    def start(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        inode = os.fstat(self.fd).st_ino
        if not self.files or self.files[-1][0] != inode or os.fstat(self.fd).st_size == 0:
            self.files.append((inode, bytearray()))

    def write(self, data: bytes) -> None:
        os.write(self.fd, data)
        self.files[-1][1].extend(data)

    def holds(self, path: str) -> bool:
        return os.path.exists(path) and os.stat(path).st_ino == os.fstat(self.fd).st_ino

    def expected(self) -> tuple[list[bytes], bytes]:
        """The lines of all files, and the one that is not finished yet."""
        found: list[bytes] = []
        for _, content in self.files[:-1]:
            found += bytes(content).removesuffix(b"\n").split(b"\n") if content else []
        *whole, unfinished = bytes(self.files[-1][1]).split(b"\n")
        return found + whole, unfinished


def joined(lines: list[bytes], stream: str) -> tuple[list[bytes], bytes]:
    """The texts of a stream, the pieces of long lines put together; and those of an open one."""
    found: list[bytes] = []
    open_line = False
    for line in lines:
        if line[29:32] != stream.encode():
            continue
        text = line[34:]
        if open_line:
            found[-1] += text
        else:
            found.append(text)
        open_line = line[32:33] == b"+"
    return (found[:-1], found[-1]) if open_line else (found, b"")


def follow(folder: Path, place: Any, followed: list[bytes]) -> Any:
    """Read on in the cleaned log; return the place after it."""
    found = logstore.lines(str(folder / "clean"), place)
    followed += [line for _, line in found]
    return found[-1][0] if found else place


#: No escape sequences here: a long line may be cut in one, and what is left of it then shows.
TEXT = st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"").replace(b"\x1b", b""))
STAMPED = st.builds(
    lambda h, m, text: b"[%02d:%02d:00.000] INFO (7): " % (h, m) + text,
    st.integers(0, 23),
    st.integers(0, 59),
    TEXT,
)
CHUNKS = st.lists(STAMPED | TEXT, max_size=4).map(b"\n".join) | st.just(b"\n")
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(sorted(STREAMS)), CHUNKS),
        st.tuples(st.just("write"), st.sampled_from(sorted(STREAMS)), CHUNKS),
        st.tuples(st.just("step"), st.none(), st.none()),
        st.tuples(st.just("killed"), st.integers(0, 12), st.booleans()),
        st.tuples(st.just("restart"), st.sampled_from(sorted(STREAMS)), st.none()),
    ),
    max_size=30,
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Deadly:
    """Limits that a few lines reach, and a disk that may fail."""
    deadly = Deadly()
    for module in (logcollect, lograw, logstore):
        monkeypatch.setattr(module, "os", deadly)
    monkeypatch.setattr(lograw, "BATCH", 96)
    monkeypatch.setattr(lograw, "MAX_LINE", 24)
    monkeypatch.setattr(lograw, "RETIRE", 150)
    monkeypatch.setattr(logcollect, "ASK_AGAIN_S", 0)
    return deadly


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(acts=ACTS)
def test_every_line_arrives_exactly_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, small: Deadly, acts: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    writers = {stream: Writer(folder / name) for stream, name in STREAMS.items()}

    def held(path: str) -> bool:
        # A job may start right after it was asked for: of a file in place the answer may be wrong.
        retired = path.endswith(lograw.DONE)
        return retired and any(writer.holds(path) for writer in writers.values())

    def collector() -> Any:
        return logcollect.Collector(configured(folder, keep=KEEP), held=held)

    current = collector()
    place, followed = logstore.Place(1, 0), list[bytes]()
    for act, first, second in acts:
        if act == "write":
            writers[first].write(second)
        elif act == "restart":
            writers[first].start()
        elif act == "step":
            current.step()
        else:
            small.left, small.after = first, second
            with contextlib.suppress(Killed):
                current.step()
            small.left = None
            current = collector()
        place = follow(folder, place, followed)
    while current.step() or current.step():
        pass
    while place != (place := follow(folder, place, followed)):
        pass
    assert not [line for line in followed if line[29:32] == b"---"]
    for stream, writer in writers.items():
        lines, begun = joined(followed, stream)
        expected, unfinished = writer.expected()
        assert lines == expected
        assert unfinished.startswith(begun)
    whole = b"".join(
        Path(logstore.path(str(folder / "clean"), number)).read_bytes()
        for number in logstore.segments(str(folder / "clean"))
    )
    assert whole.split(b"\n")[:-1] == followed


def collected(folder: Path, **changes: Any) -> tuple[Any, list[bytes]]:
    """Collect all that is there; return the collector and the lines of the cleaned log."""
    collector = logcollect.Collector(configured(folder, **changes))
    while collector.step():
        pass
    return collector, cleaned(folder)


def cleaned(folder: Path) -> list[bytes]:
    place, found = logstore.Place(1, 0), list[bytes]()
    while lines := logstore.lines(str(folder / "clean"), place):
        place = lines[-1][0]
        found += [line for _, line in lines]
    return found


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    zone_changed()
    yield
    monkeypatch.undo()
    zone_changed()


def test_both_streams_become_one_by_their_time_and_a_record_stays_together(
    tmp_path: Path, utc: None
) -> None:
    (tmp_path / "nanoclaw.log").write_bytes(
        b"[10:00:00.000] \x1b[32mINFO\x1b[39m (7): \x1b[36mone\x1b[39m\n"
        b"[10:00:02.000] INFO (7): three\n    \x1b[35mcount\x1b[39m: 1\n"
    )
    (tmp_path / "nanoclaw.error.log").write_bytes(
        b"[10:00:01.000] WARN (7): two\n    why: x\n[10:00:03.000] ERROR (7): four\n"
    )
    moment = MIDNIGHT + 10 * 3600 + 5
    for name in STREAMS.values():
        os.utime(tmp_path / name, (moment, moment))
    _, lines = collected(tmp_path)
    assert lines == [
        b"2026-11-20T10:00:00.000+0000 out  [10:00:00.000] INFO (7): one",
        b"2026-11-20T10:00:01.000+0000 err  [10:00:01.000] WARN (7): two",
        b"2026-11-20T10:00:01.000+0000 err      why: x",
        b"2026-11-20T10:00:02.000+0000 out  [10:00:02.000] INFO (7): three",
        b"2026-11-20T10:00:02.000+0000 out      count: 1",
        b"2026-11-20T10:00:03.000+0000 err  [10:00:03.000] ERROR (7): four",
    ]


def test_a_backlog_of_days_read_in_many_batches_gets_the_right_days(
    tmp_path: Path, utc: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lograw, "BATCH", 256)
    monkeypatch.setattr(lograw, "MAX_LINE", 64)
    raw = tmp_path / "nanoclaw.log"
    start = MIDNIGHT - 30 * 86400
    moments = [start + hour * 3600 for hour in range(0, 100, 5)]
    clocks = [time.strftime("[%H:%M:%S.000] INFO (7): x\n", time.gmtime(m)) for m in moments]
    raw.write_text("".join(clocks))
    os.utime(raw, (moments[-1], moments[-1]))
    _, lines = collected(tmp_path)
    assert [round(logclean.moment_of(line[:28].decode())) for line in lines] == moments


def test_secrets_of_both_files_are_gone_and_old_ones_stay_known(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DISCORD_BOT_TOKEN=first-token-value\nASSISTANT_NAME=Andersen\n")
    (tmp_path / "credentials").write_text('{"ANTHROPIC_API_KEY": "key-of-the-model"}')
    raw = tmp_path / "nanoclaw.log"
    raw.write_text("first-token-value key-of-the-model Andersen\n")
    collector, _ = collected(tmp_path)
    (tmp_path / ".env").write_text("DISCORD_BOT_TOKEN=second-token-value\n")
    with raw.open("a") as file:
        file.write("first-token-value second-token-value\n")
    collector.step()
    texts = [line[34:] for line in cleaned(tmp_path)]
    assert texts == [
        b"[redacted DISCORD_BOT_TOKEN] [redacted ANTHROPIC_API_KEY] Andersen",
        b"[redacted DISCORD_BOT_TOKEN] [redacted DISCORD_BOT_TOKEN]",
    ]


def test_a_secret_in_a_line_without_end_is_gone_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lograw, "BATCH", 4096)
    monkeypatch.setattr(lograw, "MAX_LINE", 100)
    (tmp_path / ".env").write_text("TOKEN=this-is-the-secret\n")
    raw = tmp_path / "nanoclaw.log"
    for offset in range(80, 121):
        raw.unlink(missing_ok=True)
        raw.write_bytes(b"." * offset + b"this-is-the-secret" + b"." * 200 + b"\n")
        _, lines = collected(tmp_path)
        assert b"secret" not in b"".join(line[34:] for line in lines)
        assert b"".join(line[34:] for line in lines).count(b"[redacted TOKEN]") == offset - 79


def test_what_was_read_gives_its_space_back_and_nothing_else_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "nanoclaw.log"
    with raw.open("ab", buffering=0) as file:
        file.write(b"".join(b"[10:00:00.000] INFO (7): %07d\n" % n for n in range(100_000)))
        before = raw.stat()
        collector, lines = collected(tmp_path)
        assert raw.stat().st_size == before.st_size
        assert raw.stat().st_blocks < before.st_blocks / 10
        file.write(b"[10:00:01.000] INFO (7): after\n")
        collector.step()
    lines = [line for line in cleaned(tmp_path) if line[29:32] == b"out"]
    assert [line[-7:] for line in lines[:3]] == [b"0000000", b"0000001", b"0000002"]
    assert len(lines) == 100_001
    assert lines[-1].endswith(b"after")
    # The bookmark is lost: the hole is skipped, only the last blocks are read again.
    (tmp_path / "clean" / "bookmark.json").unlink()
    _, again = collected(tmp_path)
    assert len(again) < 100_000
    assert not any(b"\0" in line for line in again)


def test_a_flood_is_said_once_and_so_is_its_end(tmp_path: Path) -> None:
    now = [float(MIDNIGHT)]
    collector = logcollect.Collector(configured(tmp_path), clock=lambda: now[0])
    raw = tmp_path / "nanoclaw.log"
    for _ in range(4):
        with raw.open("a") as file:
            file.write("[10:00:00.000] WARN (7): Reconnecting in 5 s\n" * 12_000)
        collector.step()
        now[0] += 60
    now[0] += 1200
    with raw.open("a") as file:
        file.write("[10:20:00.000] INFO (7): calm\n")
    collector.step()
    notices = [line[34:] for line in cleaned(tmp_path) if line[29:32] == b"---"]
    assert len(notices) == 2
    assert b'most often: "Reconnecting in # s"' in notices[0]
    assert b"is over" in notices[1]


def test_the_signs_of_life_of_each_process_are_noted(tmp_path: Path, utc: None) -> None:
    raw = tmp_path / "nanoclaw.log"
    raw.write_text(
        "[10:00:00.000] INFO (7): Discord bot connected\n"
        "[10:00:01.000] INFO (8): Database initialized\n"
        "[10:00:01.500] INFO (8): NanoClaw running (default trigger: @Andy)\n"
        "[10:00:02.000] INFO (8): \x1b[36mDiscord bot connected\x1b[39m\n"
        "[10:00:03.000] ERROR (8): Discord client error\n"
        "    text: Discord bot connected\n"
    )
    os.utime(raw, (MIDNIGHT + 36005, MIDNIGHT + 36005))
    collected(tmp_path)
    signs = logstore.load(str(tmp_path / "clean"))["signs"]
    start = MIDNIGHT + 36000.0
    assert signs["7"]["channels"]["discord"]["state"] == "up"
    assert signs["8"]["first"] == start + 1
    assert signs["8"]["banner"] == start + 1.5
    assert "banner" not in signs["7"]
    assert signs["8"]["channels"]["discord"] == {
        "state": "down", "t": start + 3, "text": "Discord client error",
    }  # fmt: skip


def test_a_boot_that_gives_the_disk_another_number_brings_no_line_twice(tmp_path: Path) -> None:
    raw = tmp_path / "nanoclaw.log"
    raw.write_text("[10:00:00.000] INFO (7): one\n")
    collected(tmp_path)
    bookmark = tmp_path / "clean" / logstore.BOOKMARK
    mark = json.loads(bookmark.read_text())
    # As it was noted before the boot.
    (known,) = mark["files"].values()
    known["key"] = f"4711:{raw.stat().st_ino}"
    bookmark.write_text(json.dumps(mark | {"files": {known["key"]: known}}))
    with raw.open("a") as file:
        file.write("[10:00:01.000] INFO (7): two\n")
    collected(tmp_path)
    lines = [line for line in cleaned(tmp_path) if b"INFO" in line]
    assert [line.rpartition(b" ")[2] for line in lines] == [b"one", b"two"]


def test_old_files_of_the_cleaned_log_go_by_number_size_and_age(tmp_path: Path) -> None:
    keep = {"file_bytes": 100, "file_s": 10**9, "files": 3, "total_bytes": 10**9, "days": 30}
    raw = tmp_path / "nanoclaw.log"
    collector = logcollect.Collector(configured(tmp_path, keep=keep))
    for number in range(20):
        with raw.open("a") as file:
            file.write(f"[10:00:00.000] INFO (7): {number:060}\n")
        collector.step()
    folder = str(tmp_path / "clean")
    assert len(logstore.segments(folder)) == 3
    assert cleaned(tmp_path)[-1].endswith(b"19")
    oldest = logstore.path(folder, logstore.segments(folder)[0])
    os.utime(oldest, (1, 1))
    logstore.prune(folder, time.time(), keep)
    assert not os.path.exists(oldest)
    logstore.prune(folder, time.time(), keep | {"total_bytes": 1})
    assert len(logstore.segments(folder)) == 1


def test_the_files_are_nobody_elses_to_read(tmp_path: Path) -> None:
    (tmp_path / "nanoclaw.log").write_text("[10:00:00.000] INFO (7): x\n")
    before = os.umask(0o077)
    try:
        collected(tmp_path)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "clean").iterdir()}
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "clean").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("age_s", [0, 10])
def test_what_a_killed_run_appended_is_cut_off_before_more_comes(
    tmp_path: Path, small: Deadly, age_s: int
) -> None:
    folder, limits = str(tmp_path), {"file_bytes": 10**6, "file_s": 5}
    mark = logstore.empty()
    logstore.commit(folder, mark, b"one\n", 100.0, limits)
    small.left = 2  # The append and its sync, then the bookmark's.
    with pytest.raises(Killed):
        logstore.commit(folder, dict(mark), b"a secret that is known by now\n", 101.0, limits)
    small.left = None
    logstore.commit(folder, logstore.load(folder), b"[redacted]\n", 101.0 + age_s, limits)
    files = [Path(logstore.path(folder, n)).read_bytes() for n in logstore.segments(folder)]
    assert files == ([b"one\n", b"[redacted]\n"] if age_s else [b"one\n[redacted]\n"])
