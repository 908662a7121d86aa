"""The traffic log of a real keep: what the guest did is in it, once, through rotation and races."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from tests.lab.keep import Built

pytestmark = [pytest.mark.lab, pytest.mark.slow]

T = TypeVar("T")

LOG = "/var/log/clawkeep/bridge-home-assistant.log"
CLAWKEEP = "/opt/clawkeep/bin/clawkeep"
SERVICE = "http://192.168.64.1:18123"
PORTS = "61000-64999"
CURL = f"curl -sS --local-port {PORTS}"


@pytest.fixture(scope="module")
def keep(keep: Built) -> Built:
    """A keep whose guest has fetched a package through the window."""
    with (keep.project / "group_data" / "all.py").open("a") as values:
        values.write('\nguest |= {"tapped": ["steipete/tap/remindctl"]}\n')
    keep.converge()
    return keep


def ours(keep: Built) -> list[dict[str, Any]]:
    """The rows of this test's connections: the canary's come from other ports."""
    found = rows(keep, "--service", "home-assistant")
    return [row for row in found if row["peer"].partition(":")[2] >= PORTS[:5]]


def rows(keep: Built, *arguments: str) -> list[dict[str, Any]]:
    """What the operator's `clawkeep traffic --json` says."""
    done = keep.clawkeep("traffic", "--json", "--limit", "2000", *arguments)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def collect(keep: Built) -> list[str]:
    """One run of the collector; return what it did."""
    done = keep.host(f"{CLAWKEEP} traffic collect --json")
    assert done.returncode == 0, done.stderr
    did: list[str] = json.loads(done.stdout)["did"]
    return did


def reach(keep: Built) -> str:
    """Talk through the bridge from inside the guest; return the status of the answer."""
    return keep.guest(f"{CURL} -m 10 -o /dev/null -w '%{{http_code}}' {SERVICE}/").stdout


def eventually(ask: Callable[[], T], good: Callable[[T], bool], seconds: float = 40) -> T:
    """Ask until the answer is good."""
    deadline = time.monotonic() + seconds
    while not good(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.3)
    return answer


def rotated(keep: Built, transfers: int) -> None:
    """Have the log rotated, read and gone for the n-th time; launchd's own runs may help.

    A connection of the canary's may delay it.
    """

    def done() -> int:
        collect(keep)
        events = keep.host("cat /opt/clawkeep/var/events.jsonl").stdout
        return events.count(f"{LOG.rpartition('/')[2]}.1 is read and gone")

    eventually(done, lambda number: number == transfers)
    eventually(lambda: reach(keep), lambda status: status == "200")
    assert logs(keep) == [LOG]


def stream(keep: Built, seconds: int) -> subprocess.Popen[str]:
    """Start a long transfer through the bridge, and wait until it is noted."""
    command = keep.lab.command(
        "guest:nanoclaw-vm", [*CURL.split(), "-N", f"{SERVICE}/stream?seconds={seconds}"]
    )
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    eventually(lambda: ours(keep)[-1]["verdict"], lambda verdict: verdict == "open")
    return process


def grow(keep: Built, octets: int) -> None:
    """Make the bridge's log larger, by lines that are none of socat's."""
    keep.host(f"yes {'x' * 99} | head -c {octets // 100 * 100} >> {LOG}")


def logs(keep: Built) -> list[str]:
    return keep.host(f"ls {LOG}*").stdout.split()


def test_the_job_collects_once_a_minute_without_being_asked(keep: Built) -> None:
    printed = eventually(
        lambda: keep.host("launchctl print system/com.nanoclaw.traffic").stdout,
        lambda text: "last exit code = 0" in text,
    )
    assert "run interval = 60 seconds" in printed
    assert keep.host("stat -f '%Lp %Su' /opt/clawkeep/var/traffic.db").stdout == "600 root\n"


def test_connections_refusals_and_the_proxy_are_told_apart(keep: Built) -> None:
    assert reach(keep) == "200"
    refused = keep.guest("curl -s -m 3 http://192.168.64.1:22/")
    assert refused.returncode == 7
    found = rows(keep)
    bridge = ours(keep)
    assert [row["verdict"] for row in bridge] == ["allowed"]
    assert bridge[0]["peer"].startswith("192.168.64.2:")
    assert bridge[0]["target"] == "10.0.30.5:8123"
    assert bridge[0]["bytes_in"] is None
    denied = rows(keep, "--denied")
    assert {row["source"] for row in denied} == {"pf"}
    assert "deny4" in {row["service"] for row in denied}
    # The tapped package of the converge came through the window.
    proxy = [row for row in found if row["source"] == "proxy"]
    assert proxy
    assert {row["verdict"] for row in proxy} == {"allowed"}
    assert all(row["bytes_in"] > 0 for row in proxy)


def test_what_pf_refused_is_counted_and_what_passed_is_not(keep: Built) -> None:
    def refused() -> int:
        return sum(row["count"] for row in rows(keep, "--denied", "--service", "deny4"))

    def connect(port: int) -> None:
        keep.guest(f"for i in $(seq 100); do nc -z -w 1 192.168.64.1 {port} & done; wait")

    # The canary adds some dozens of its own twice a minute.
    before = refused()
    connect(18123)
    passed = refused() - before
    connect(22)
    assert refused() - before - passed >= 100 > passed


def test_collectors_at_once_count_each_connection_once(keep: Built) -> None:
    before = len(ours(keep))
    keep.guest(f"for i in $(seq 30); do {CURL} -o /dev/null {SERVICE}/ & done; wait")
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(collect, keep) for _ in range(4)]:
            assert done.result() == []
    found = ours(keep)
    assert len(found) == before + 30
    assert len({row["peer"] for row in found}) == len(found)


def test_a_long_transfer_outlives_the_rotation_and_no_row_is_lost(keep: Built) -> None:
    before = len(ours(keep))
    transfer = stream(keep, 30)
    grow(keep, 11 << 20)
    collect(keep)
    assert logs(keep) == [LOG]
    assert transfer.poll() is None
    text, _ = transfer.communicate(timeout=60)
    assert transfer.returncode == 0, text
    assert len(text.splitlines()) == 300
    # Now that it has ended, the log goes.
    rotated(keep, 1)
    found = ours(keep)[before:]
    assert {row["verdict"] for row in found} == {"allowed"}
    assert len([row for row in found if (row["duration_ms"] or 0) >= 29_000]) == 1


def test_a_log_that_would_fill_the_disk_goes_even_under_a_transfer(keep: Built) -> None:
    before = len(ours(keep))
    transfer = stream(keep, 100)
    grow(keep, 51 << 20)
    rotated(keep, 2)
    transfer.communicate(timeout=20)
    assert transfer.returncode != 0
    killed = [row for row in ours(keep)[before:] if row["duration_ms"] is None]
    assert [(row["verdict"], row["detail"]) for row in killed] == [("allowed", "no end was noted")]


def test_the_bridges_user_cannot_make_root_read_or_write_another_file(keep: Built) -> None:
    keep.host(
        "cd /var/log/clawkeep; echo secret > /opt/clawkeep/secret;"
        "sudo -u _clawkeep ln -s /opt/clawkeep/secret bridge-evil.log;"
        "sudo -u _clawkeep mkfifo bridge-pipe.log; sudo -u _clawkeep mkdir bridge-dir.log"
    )
    assert collect(keep) == []
    assert keep.host("cat /opt/clawkeep/secret").stdout == "secret\n"
    keep.host("cd /var/log/clawkeep; rm -rf bridge-evil.log bridge-pipe.log bridge-dir.log")


def test_the_digest_of_today(keep: Built) -> None:
    done = keep.clawkeep("traffic", "digest")
    assert done.returncode == 0, done.stderr
    assert "home-assistant" in done.stdout
    data = json.loads(keep.clawkeep("traffic", "digest", "--json").stdout)
    totals = {total["service"]: total["connections"] for total in data["totals"]}
    assert totals["home-assistant"] >= len(ours(keep)) > 0
    assert data["packets_refused"] >= 2
