"""Every line counts once: however the log grows, whenever the collector dies, whatever is in it."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clawkeep.onhost import traffic_logs
from clawkeep.onhost.traffic_collect import collect
from clawkeep.onhost.traffic_journal import Journal
from clawkeep.traffic.socat import NO_END
from tests.unit.traffic.conftest import NOW, Host, connection

SAMPLES = Path(__file__).parent / "samples"
MANY = (SAMPLES / "socat-many.txt").read_bytes()
PROXY = (SAMPLES / "squid.txt").read_bytes()
CHECKOUT = Path(__file__).parents[3]


def test_a_bridges_and_the_proxys_log_become_rows(host: Host) -> None:
    host.log("bridge-ha.log", MANY)
    host.log("access.log", PROXY)
    assert host.collect().problems == []
    found = host.rows()
    assert [row.service for row in found].count("ha") == 9
    assert [row.service for row in found].count("proxy") == 8
    host.collect()
    assert host.rows() == found


def test_a_folder_that_is_not_there_yet_has_no_rows(host: Host) -> None:
    host.folder.rmdir()
    assert host.collect(housekeeping=True).problems == []
    assert host.rows() == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(cuts=st.lists(st.integers(0, len(MANY)), max_size=8))
def test_any_growth_gives_the_same_rows(make_host: Callable[[], Host], cuts: list[int]) -> None:
    once, often = make_host(), make_host()
    once.log("bridge-ha.log", MANY)
    once.collect()
    # Every process of the sample lives until its log is complete.
    often.processes = "\n".join(f"{pid} socat -lpbridge-ha" for pid in range(2000))
    edges = [0, *sorted(cuts), len(MANY)]
    for begin, end in itertools.pairwise(edges):
        often.log("bridge-ha.log", MANY[begin:end])
        often.collect()
    assert often.rows() == once.rows()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(fatal=st.integers(1, 40))
def test_a_failure_at_any_statement_loses_and_doubles_nothing(
    make_host: Callable[[], Host], fatal: int
) -> None:
    once, broken = make_host(), make_host()
    once.log("bridge-ha.log", MANY)
    once.collect()
    broken.log("bridge-ha.log", MANY)
    with broken.journal() as opened:
        left = fatal

        class Failing:
            def execute(self, *arguments: object) -> sqlite3.Cursor:
                nonlocal left
                left -= 1
                if left == 0 and arguments[0] != "ROLLBACK":
                    raise sqlite3.OperationalError("disk I/O error")
                return db.execute(*arguments)  # type: ignore[arg-type]

            def __getattr__(self, name: str) -> object:
                return getattr(db, name)

        db = opened.db
        journal = Journal(Failing())  # type: ignore[arg-type]
        handle = os.open(broken.folder, os.O_RDONLY)
        try:
            for log in traffic_logs.logs(handle):
                traffic_logs.read(journal, handle, log, lambda _: set())
        except sqlite3.OperationalError:
            pass
        finally:
            os.close(handle)
    broken.collect()
    assert broken.rows() == once.rows()


COLLECT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from clawkeep.onhost import traffic_logs
from clawkeep.onhost.traffic_collect import collect
from clawkeep.onhost.traffic_journal import journal
traffic_logs.BLOCK = 2000
with journal(Path(sys.argv[3])) as opened:
    print("begun", flush=True)
    while True:
        collect(opened, now=1.0, folder=Path(sys.argv[2]), ps=lambda: ALIVE, pf=lambda _: "",
                housekeeping=False)
""".replace("ALIVE", repr("\n".join(f"{pid} -lpbridge-ha" for pid in range(1000, 3000))))


def test_kill_9_at_any_moment_loses_and_doubles_nothing(host: Host) -> None:
    chance = random.Random(1)
    numbers = iter(range(1000, 3000))
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", COLLECT, str(CHECKOUT), str(host.folder), str(host.path)],
            stdout=subprocess.PIPE,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            for _ in range(chance.randrange(20, 50)):
                at = f"08:{chance.randrange(60):02d}:{chance.randrange(60):02d}"
                text = connection(next(numbers), at=at)
                middle = chance.randrange(len(text))
                for part in (text[:middle], text[middle:]):
                    host.log("bridge-ha.log", part)
                    time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
    written = next(numbers) - 1000
    host.collect()
    peers = [row.peer for row in host.rows()]
    assert len(peers) == written >= 160
    assert len(set(peers)) == written


def test_a_partial_last_line_waits(host: Host) -> None:
    text = connection(11)
    host.log("bridge-ha.log", text[:-5])
    host.processes = "11 socat -lpbridge-ha"
    host.collect()
    assert [row.verdict for row in host.rows()] == ["open"]
    host.log("bridge-ha.log", text[-5:])
    host.collect()
    assert [row.verdict for row in host.rows()] == ["allowed"]


def test_a_connection_whose_process_was_killed_ends(host: Host) -> None:
    host.log("bridge-ha.log", connection(11, end=False) + connection(12, end=False))
    host.processes = "11 /opt/homebrew/bin/socat -lpbridge-ha TCP4\n12 somebody -else\n"
    host.collect()
    host.collect()
    assert [(row.peer, row.verdict, row.detail) for row in host.rows()] == [
        ("192.168.64.2:12", "allowed", NO_END),
        ("192.168.64.2:11", "open", ""),
    ]


def test_a_failing_ps_ends_no_connection_and_keeps_no_other_log_from_being_read(
    host: Host,
) -> None:
    def fail() -> str:
        raise OSError("no ps")

    host.log("bridge-ha.log", connection(11, end=False))
    host.processes = "11 -lpbridge-ha"
    host.collect()
    host.log("bridge-zz.log", connection(12).replace("bridge-ha", "bridge-zz"))
    with host.journal() as opened:
        done = collect(opened, now=NOW, folder=host.folder, ps=fail, pf=host.pf, housekeeping=False)
    assert done.problems == ["bridge-ha.log: no ps"]
    assert [(row.service, row.verdict) for row in host.rows()] == [
        ("zz", "allowed"),
        ("ha", "open"),
    ]


def test_a_log_cut_short_is_read_from_its_beginning(host: Host) -> None:
    path = host.log("bridge-ha.log", connection(11) + connection(12, end=False))
    host.processes = "12 -lpbridge-ha"
    host.collect()
    path.write_text(connection(13))
    host.collect()
    assert [row.peer.partition(":")[2] for row in host.rows()] == ["11", "12", "13"]


def test_another_file_with_the_same_inode_is_another_file(host: Host) -> None:
    path = host.log("bridge-ha.log", connection(11))
    host.collect()
    # In place: the same inode, and longer than what was read.
    path.write_text(connection(21) + connection(22) + connection(23))
    host.collect()
    assert [row.peer.partition(":")[2] for row in host.rows()] == ["11", "21", "22", "23"]


def test_a_log_that_vanished_leaves_no_open_connection(host: Host) -> None:
    host.log("bridge-ha.log", connection(11, end=False)).rename(host.folder / "bridge-ha.log")
    host.processes = "11 -lpbridge-ha"
    host.collect()
    (host.folder / "bridge-ha.log").unlink()
    host.collect()
    assert [(row.verdict, row.detail) for row in host.rows()] == [("allowed", NO_END)]
    with host.journal() as opened:
        assert opened.bookmarks() == {}


def test_links_pipes_and_second_names_are_not_read(host: Host, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(connection(66))
    (host.folder / "bridge-link.log").symlink_to(secret)
    (host.folder / "bridge-hard.log").hardlink_to(secret)
    os.mkfifo(host.folder / "bridge-pipe.log")
    (host.folder / "bridge-dir.log").mkdir()
    host.log("bridge-UPPER.log", connection(67))
    host.log("bridge-ha.log", connection(11))
    host.collect()
    assert [row.peer for row in host.rows()] == ["192.168.64.2:11"]


def test_a_file_replaced_between_look_and_open_is_not_read(host: Host, tmp_path: Path) -> None:
    host.log("bridge-ha.log", connection(11))
    handle = os.open(host.folder, os.O_RDONLY)
    (log,) = traffic_logs.logs(handle)
    secret = tmp_path / "secret"
    secret.write_text(connection(66))
    (host.folder / "bridge-ha.log").unlink()
    (host.folder / "bridge-ha.log").symlink_to(secret)
    with host.journal() as opened, pytest.raises(OSError, match="symbolic"):
        traffic_logs.read(opened, handle, log, lambda _: set())
    os.close(handle)
    assert host.rows() == []


def test_a_folder_that_is_a_link_is_a_failure(host: Host, tmp_path: Path) -> None:
    (tmp_path / "logs").symlink_to(host.folder)
    host.folder = tmp_path / "logs"
    with pytest.raises(OSError, match=r"Not a directory|symbolic"):
        host.collect()


def test_hostile_lines_are_counted_and_harm_nothing(host: Host) -> None:
    junk = b"\xff\xfe\x00junk\n" + b"y" * 50_000 + b"\n" + b"\x1b]0;title\x07\n\n"
    host.log("bridge-ha.log", junk + connection(11).encode() + b"z" * 3_000_000)
    host.log("access.log", junk + PROXY)
    assert host.collect().strange == 6
    assert [row.service for row in host.rows()].count("ha") == 1
    # The endless line goes on, and ends.
    host.log("bridge-ha.log", b"z" * 3_000_000 + b"\n" + connection(12).encode())
    host.collect()
    assert [row.service for row in host.rows()].count("ha") == 2


def test_a_flood_is_summed_up_and_does_not_push_out_the_rest(host: Host) -> None:
    host.log("access.log", PROXY)
    host.log("bridge-ha.log", "".join(connection(n) for n in range(1000, 2000)))
    host.collect()
    found = [row for row in host.rows() if row.service == "ha"]
    assert len(found) == 301
    (many,) = [row for row in found if row.peer == "*"]
    assert (many.count, many.verdict, many.time) == (700, "allowed", found[0].time // 60 * 60)
    # A second collector run counts on.
    host.log("bridge-ha.log", connection(2001))
    host.collect()
    assert sum(row.count for row in host.rows() if row.service == "ha") == 1001
    assert len([row for row in host.rows() if row.service == "proxy"]) == 8


def test_pfs_counters_are_noted_when_they_moved(host: Host) -> None:
    packets, fails = 3, False

    def pf(anchor: str) -> str:
        if fails or anchor.endswith("wall"):
            raise RuntimeError("no such anchor")
        return (
            'block return in quick on bridge100 inet all label "clawkeep-deny4"\n'
            f"  [ Evaluations: 9 Packets: {packets} Bytes: {packets * 60} States: 0 ]\n"
            "  [ Inserted: uid 0 pid 9 ]\n"
        )

    host.pf = pf
    done = host.collect()
    assert done.problems == ["pf's counters of com.apple/001.clawkeep-wall: no such anchor"]
    host.collect()
    packets = 5
    host.collect()
    fails = True
    assert len(host.collect().problems) == 2
    assert [(row.service, row.count, row.bytes_out) for row in host.rows()] == [
        ("deny4", 3, 180),
        ("deny4", 2, 120),
    ]
