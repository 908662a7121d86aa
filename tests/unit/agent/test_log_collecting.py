"""No line is lost or doubled: any chunks, any rotation, killed anywhere, read while it happens."""

from __future__ import annotations

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

logclean: Any = load("logclean")
logcollect: Any = load("logcollect")
lograw: Any = load("lograw")
logstore: Any = load("logstore")

KEEP = {"file_bytes": 200, "file_s": 10**9, "files": 10**6, "total_bytes": 10**12, "days": 10**6}
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
            try:
                current.step()
            except Killed:
                pass
            finally:
                small.left = None
            current = collector()
        for place, line in logstore.lines(str(folder / "clean"), place):  # noqa: B007
            followed.append(line)
    while current.step() or current.step():
        pass
    while found := logstore.lines(str(folder / "clean"), place):
        place = found[-1][0]
        followed += [line for _, line in found]
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
