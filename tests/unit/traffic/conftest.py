"""A folder of logs and a journal, as the collector finds them on the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clawkeep.onhost import paths
from clawkeep.onhost.traffic_collect import Collected, collect
from clawkeep.onhost.traffic_journal import Journal, journal
from clawkeep.onhost.traffic_report import rows
from clawkeep.traffic.rows import Row

NOW = 1795250000.0


@dataclass
class Host:
    """The part of a host that the collector sees; `processes` is what ps prints."""

    folder: Path
    path: Path
    processes: str = ""
    pf: Callable[[str], str] = field(default=lambda _: "")

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        with journal(self.path) as opened:
            yield opened

    def log(self, name: str, text: str | bytes) -> Path:
        """Append to a log."""
        path = self.folder / name
        with path.open("ab") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        return path

    def collect(self, now: float = NOW, *, housekeeping: bool = False) -> Collected:
        with self.journal() as opened:
            return collect(
                opened,
                now=now,
                folder=self.folder,
                ps=lambda: self.processes,
                pf=self.pf,
                housekeeping=housekeeping,
            )

    def rows(self) -> list[Row]:
        """All rows, in the order in which they were written, and what is open."""
        with self.journal() as opened:
            return rows(opened, since=0.0, limit=100_000)


@pytest.fixture
def make_host(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Host]:
    """Makes hosts, for tests that need a fresh one for each example."""

    def make() -> Host:
        base = tmp_path_factory.mktemp("host")
        (base / "logs").mkdir()
        return Host(base / "logs", base / "var" / "traffic.db")

    return make


@pytest.fixture
def host(make_host: Callable[[], Host], monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with an empty folder of logs and no journal yet; events go into its folder, too."""
    made = make_host()
    monkeypatch.setattr(paths, "EVENTS", made.path.parent / "events.jsonl")
    return made


def connection(number: int, *, at: str = "08:00:00", end: bool = True, peer: str = "") -> str:
    """Return socat's lines of one served connection; its process is `number`."""
    peer = peer or f"192.168.64.2:{number}"
    stamp = f"2026/11/21 {at}.000000 bridge-ha"
    lines = [
        f"{stamp}[1] N accepting connection from AF=2 {peer} on AF=2 192.168.64.1:18123",
        f"{stamp}[1] N forked off child process {number}",
        f"{stamp}[{number}] N opening connection to AF=2 10.0.30.5:8123",
        f"{stamp}[{number}] N starting data transfer loop with FDs [7,7] and [6,6]",
        *([f"{stamp}[{number}] N exiting with status 0"] if end else []),
    ]
    return "".join(f"{line}\n" for line in lines)
