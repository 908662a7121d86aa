"""A log that has grown is renamed, read to its end, let go and removed; no line is lost."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clawkeep.onhost import traffic_logs, traffic_rotate
from clawkeep.onhost.traffic_rotate import STALE_S, Hands, rotate
from tests.unit.traffic.conftest import Host, connection


@dataclass
class Writers:
    """Processes that keep their logs open, as socat and squid do."""

    host: Host
    open: dict[str, int] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    deaf: bool = False

    def start(self, name: str) -> None:
        self.open[name] = os.open(self.host.folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, name: str, text: str) -> None:
        os.write(self.open[name], text.encode())

    def held(self, path: Path) -> bool:
        try:
            inode = path.stat().st_ino
        except FileNotFoundError:
            return False
        return any(os.fstat(handle).st_ino == inode for handle in self.open.values())

    def restart(self, service: str) -> None:
        self.said.append(f"restart {service}")
        self._again(f"bridge-{service}.log")

    def reopen(self, log: str) -> None:
        self.said.append(f"reopen {log}")
        self._again("access.log")

    def _again(self, name: str) -> None:
        if not self.deaf:
            os.close(self.open.pop(name))
            self.start(name)

    @property
    def hands(self) -> Hands:
        return Hands(self.held, self.restart, self.reopen)


@pytest.fixture
def writers(host: Host, monkeypatch: pytest.MonkeyPatch) -> Writers:
    monkeypatch.setattr(traffic_rotate, "LARGE", 4000)
    monkeypatch.setattr(traffic_rotate, "TOO_LARGE", 20_000)
    return Writers(host)


def run(host: Host, writers: Writers, now: float | None = None) -> list[str]:
    """One run of the collector, with these writers; `now` is the logs' own time."""
    host.collect()
    handle = os.open(host.folder, os.O_RDONLY)
    try:
        with host.journal() as opened:
            found = traffic_logs.logs(handle)
            moment = found[0].changed if now is None else now
            return rotate(
                opened, handle, found, now=moment, folder=host.folder, hands=writers.hands
            )
    finally:
        os.close(handle)


def many(begin: int, end: int) -> str:
    return "".join(connection(number) for number in range(begin, end))


def names(host: Host) -> list[str]:
    return sorted(os.listdir(host.folder))


def test_a_small_log_is_left_alone(host: Host, writers: Writers) -> None:
    writers.start("bridge-ha.log")
    writers.write("bridge-ha.log", many(11, 13))
    assert run(host, writers) == []
    assert names(host) == ["bridge-ha.log"]


def test_a_large_log_goes_and_no_row_with_it(host: Host, writers: Writers) -> None:
    writers.start("bridge-ha.log")
    writers.write("bridge-ha.log", many(1000, 1020))
    assert "was rotated" in run(host, writers)[0]
    assert writers.said == ["restart ha"]
    assert names(host) == ["bridge-ha.log", "bridge-ha.log.1"]
    writers.write("bridge-ha.log", many(1020, 1023))
    assert run(host, writers) == ["bridge-ha.log.1 is read and gone"]
    assert names(host) == ["bridge-ha.log"]
    host.collect()
    assert len({row.peer for row in host.rows()}) == len(host.rows()) == 23


def test_a_bridge_with_a_connection_is_left_alone_until_its_log_is_too_large(
    host: Host, writers: Writers
) -> None:
    writers.start("bridge-ha.log")
    writers.write("bridge-ha.log", many(1000, 1020) + connection(11, end=False))
    host.processes = "11 -lpbridge-ha"
    assert run(host, writers) == []
    writers.write("bridge-ha.log", many(1020, 1060))
    assert "was rotated" in run(host, writers)[0]
    assert writers.said == ["restart ha"]


def test_lines_written_between_renaming_and_restart_are_read(host: Host, writers: Writers) -> None:
    writers.start("bridge-ha.log")
    writers.write("bridge-ha.log", many(1000, 1020))
    writers.deaf = True
    run(host, writers)
    assert names(host) == ["bridge-ha.log.1"]
    writers.write("bridge-ha.log", many(1020, 1025))
    # The run that renamed was killed, or launchd did not obey: the next one asks again.
    writers.deaf = False
    assert run(host, writers) == []
    assert writers.said == ["restart ha", "restart ha"]
    assert run(host, writers) == ["bridge-ha.log.1 is read and gone"]
    host.collect()
    assert len(host.rows()) == 25


def test_a_rotated_log_is_not_removed_before_its_end_is_read(host: Host, writers: Writers) -> None:
    host.log("bridge-ha.log.1", connection(11))
    host.collect()
    host.log("bridge-ha.log.1", connection(12))
    handle = os.open(host.folder, os.O_RDONLY)
    with host.journal() as opened:
        found = traffic_logs.logs(handle)
        assert rotate(opened, handle, found, now=0, folder=host.folder, hands=writers.hands) == []
    os.close(handle)
    assert names(host) == ["bridge-ha.log.1"]
    assert run(host, writers) == ["bridge-ha.log.1 is read and gone"]
    assert len(host.rows()) == 2


def test_the_proxy_reopens_and_keeps_its_connections(host: Host, writers: Writers) -> None:
    line = "1795247180.000 1 192.168.64.2 4 CONNECT a.example:443 200 TCP_TUNNEL 1 2 - allowed -\n"
    writers.start("access.log")
    writers.write("access.log", line * 60)
    assert "was rotated" in run(host, writers)[0]
    assert writers.said == ["reopen access.log"]
    writers.write("access.log", line)
    assert run(host, writers) == ["access.log.1 is read and gone"]
    host.collect()
    assert len(host.rows()) == 61


def test_the_log_of_a_door_that_is_gone_goes_after_a_month(host: Host, writers: Writers) -> None:
    path = host.log("bridge-old.log", connection(11).replace("bridge-ha", "bridge-old"))
    written = path.stat().st_mtime
    assert run(host, writers, now=written + STALE_S - 10) == []
    writers.deaf = True
    writers.open.clear()
    assert "was rotated" in run(host, writers, now=written + STALE_S + 10)[0]
    assert run(host, writers, now=written + STALE_S + 20) == ["bridge-old.log.1 is read and gone"]


def test_a_link_in_the_folder_is_never_followed(
    host: Host, writers: Writers, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("x" * 5000)
    (host.folder / "access.log").symlink_to(victim)
    (host.folder / "bridge-ha.log.1").symlink_to(victim)
    writers.start("bridge-zz.log")
    assert run(host, writers) == []
    assert victim.read_text() == "x" * 5000
    assert (host.folder / "access.log").is_symlink()


def test_lsof_tells_who_holds_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lsof = tmp_path / "lsof"
    monkeypatch.setattr(traffic_rotate, "LSOF", str(lsof))
    assert traffic_rotate.held(tmp_path), "one that cannot be asked counts as a holder"
    for script, holder in (("echo 12", True), ("exit 1", False), ("echo no >&2; exit 1", True)):
        lsof.write_text(f"#!/bin/sh\n{script}\n")
        lsof.chmod(0o755)
        assert traffic_rotate.held(tmp_path) is holder
