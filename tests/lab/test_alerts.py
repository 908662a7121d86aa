"""Alerts of a whole keep: what is wrong on the host arrives at hooks in the lab's internet."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import pytest

from lab.services import hooks
from tests.lab.attacks.stands import Stand
from tests.lab.attacks.table import Attack
from tests.lab.guarding import is_open, wait
from tests.lab.keep import GUEST, Built, changed
from tests.recording import Faults

pytestmark = pytest.mark.lab

ADDRESSES = {
    "DISCORD_HOOK": f"https://discord.com{hooks.DISCORD}",
    "NTFY_HOOK": f"https://ntfy.sh/{hooks.TOPIC}",
    "PING_HOOK": f"https://hc-ping.com/{hooks.CHECK}",
}
DECLARED = [
    {"hook": "discord", "url": "env:DISCORD_HOOK", "per_hour": 3600},
    {"hook": "ntfy", "url": "env:NTFY_HOOK", "min": "critical"},
    {"hook": "ping", "url": "env:PING_HOOK", "every": "10s"},
    {"hook": "notification", "min": "critical"},
]
HOOKS = "/opt/clawkeep/etc/hooks.json"
JOB = "com.nanoclaw.alerts"
GATEWAY, PORT = "192.168.64.1", 18123
KNOCKS = {"to": GATEWAY, "port": PORT, "times": 1000}
HALF_OPEN = Attack("half-open connections", "knock", KNOCKS, "host", f"tcp dport {PORT}")
#: Runs in the guest until its standard input ends: connections, each with its own process.
HELD = f"""
import socket, sys
held = [socket.create_connection(("{GATEWAY}", {PORT}), 5) for _ in range(5)]
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def keep(keep: Built) -> Built:
    with (keep.project / "group_data" / "all.py").open("a") as values:
        values.write(f"\nalerts = {DECLARED!r}\n")
    keep.environment.update(ADDRESSES)
    said = keep.converge("--data", "phase=operations", "-vvv")
    for address in ADDRESSES.values():
        assert address.rpartition("/")[2] not in said
    wait("a first ping", lambda: "success" in pings(keep), 40)
    return keep


def at(keep: Built, hook: str) -> list[dict[str, Any]]:
    """Return what arrived at a hook."""
    return [visit for visit in keep.lab.visits() if visit.get("hook") == hook]


def pings(keep: Built) -> list[str]:
    return [visit["state"] for visit in at(keep, "ping")]


def texts(keep: Built, hook: str = "discord", since: int = 0) -> str:
    return "\n---\n".join(visit["text"] for visit in at(keep, hook)[since:])


def test_pf_that_is_switched_off_is_told_and_that_it_holds_again(keep: Built) -> None:
    before = len(at(keep, "discord"))
    assert keep.host("pfctl -d").returncode == 0
    wait("the alert", lambda: "brought back: pf is disabled" in texts(keep, since=before), 30)
    wait("its end", lambda: "OVER after" in texts(keep, since=before), 40)
    wait("open", lambda: is_open(keep))
    found = at(keep, "discord")[before:]
    assert [visit["quiet"] for visit in found] == [True] * len(found)
    # The dead man's switch heard of it, too, and that it is over.
    wait("a ping of its end", lambda: pings(keep)[-1] == "success", 30)
    assert "fail" in pings(keep)


def test_a_test_reaches_every_hook_and_no_address_is_seen(keep: Built) -> None:
    done = keep.clawkeep("alert", "test", "--json")
    rows = {row["hook"]: row for row in json.loads(done.stdout)["hooks"]}
    assert {name: row["ok"] for name, row in rows.items()} == dict.fromkeys(rows, True), rows
    assert set(rows) == {"discord", "ntfy", "ping", "notification"}
    assert "TEST on" in texts(keep, "ntfy")
    shown = [call["argv"] for call in keep.lab.calls() if "osascript" in call["argv"][0]]
    assert any("TEST on" in " ".join(argv) for argv in shown)
    assert keep.host(f"stat -f '%Lp %Su' {HOOKS}").stdout == "600 root\n"
    # Nobody but root has an address: not who posts, not a list of processes, not a log.
    everywhere = keep.host(
        "ps -axww -o command; cat /var/log/clawkeep/*.log /opt/clawkeep/var/*.log"
        " /opt/clawkeep/var/events.jsonl /opt/clawkeep/journal.jsonl; tr -c '[:print:]' '\\n'"
        " < /opt/clawkeep/var/alerts.db"
    ).stdout + done.stdout + done.stderr  # fmt: skip
    for address in ADDRESSES.values():
        assert address.rpartition("/")[2] not in everywhere


@pytest.mark.slow
def test_converging_again_changes_nothing(keep: Built) -> None:
    assert changed(keep.converge("--data", "phase=operations")) == []


@pytest.mark.slow
def test_the_logs_of_the_host_are_in_one_place(keep: Built) -> None:
    keep.guest("curl -s -m 5 -o /dev/null http://192.168.64.1:18123/")
    done = keep.clawkeep("logs", "--since", "1h", "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    sources = {row["source"] for row in rows}
    assert {"guard", "bridges", "converge"} <= sources
    assert [row["t"] for row in rows] == sorted(row["t"] for row in rows)
    mine = [row for row in rows if row["log"] == "bridge-home-assistant.log"]
    assert any("accepting connection" in row["text"] for row in mine)
    events = keep.host("cat /opt/clawkeep/var/events.jsonl").stdout.splitlines()
    kept = keep.clawkeep("logs", "guard", "--since", "7d", "--json").stdout.splitlines()
    told = [row for row in map(json.loads, kept) if row["log"] == "events.jsonl"]
    assert len(told) in {len(events), len(events) - 1, len(events) + 1}
    assert keep.host("stat -f '%Lp %Su' /opt/clawkeep/var/logs/guard").stdout == "700 root\n"


@pytest.mark.slow
def test_a_hook_that_is_down_hears_all_of_it_later_even_when_the_job_is_killed(
    keep: Built, faults: Faults
) -> None:
    folder = keep.lab.state.folder
    hooks.configure(folder, down=503)
    try:
        before = len(at(keep, "discord"))
        keep.host("/opt/clawkeep/bin/clawkeep alert raise backup-failed 'no backup for two days'")
        time.sleep(8)
        keep.host(f"launchctl kill SIGKILL system/{JOB}")
        listed = json.loads(keep.clawkeep("alert", "list", "--json").stdout)
        (discord,) = [hook for hook in listed["hooks"] if hook["name"] == "discord"]
        assert discord["waiting"] == 1
        assert "503" in discord["error"]
    finally:
        hooks.configure(folder)
    wait("it arrives", lambda: "no backup for two days" in texts(keep, since=before), 90)
    keep.host("/opt/clawkeep/bin/clawkeep alert clear backup-failed")
    wait("its end", lambda: "OVER after" in texts(keep, since=before), 60)
    assert texts(keep, since=before).count("no backup for two days") == 2
    words = "`clawkeep alert list`; all of it arrives later, once, though the job was killed"
    faults.show("hooks", "it answers 503, and the alerts' job is killed", words, "it is sent again")


@pytest.mark.slow
def test_discord_s_own_wait_is_kept(keep: Built, faults: Faults) -> None:
    folder = keep.lab.state.folder
    hooks.configure(folder, limited=12.5)
    before = len(at(keep, "limited"))
    began = time.monotonic()
    try:
        keep.host("/opt/clawkeep/bin/clawkeep alert raise one 'said when it may be'")
        wait("the limit", lambda: len(at(keep, "limited")) > before, 30)
        limited = time.monotonic()
        time.sleep(6)
        asked = [v for v in at(keep, "limited")[before:] if v["host"] == "discord.com"]
        assert len(asked) == 1
    finally:
        hooks.configure(folder)
    wait("it arrives", lambda: "said when it may be" in texts(keep), 40)
    waited = time.monotonic() - limited
    assert waited > 10
    says = "its Retry-After (12.5 s) is kept, then it arrives"
    faults.show("hooks", "Discord answers 429", says, "it is sent again", mended_s=waited, lost=0)
    assert began < limited
    keep.host("/opt/clawkeep/bin/clawkeep alert clear one")


@pytest.mark.slow
def test_a_silence_keeps_it_quiet(keep: Built) -> None:
    keep.host("/opt/clawkeep/bin/clawkeep alert raise two 'nobody hears this'")
    wait("it is told", lambda: "nobody hears this" in texts(keep), 30)
    before = len(at(keep, "discord"))
    done = keep.clawkeep("alert", "silence", "two", "--for", "1h", "--reason", "a test")
    assert done.returncode == 0, done.stderr
    keep.host("/opt/clawkeep/bin/clawkeep alert clear two")
    time.sleep(8)
    assert "nobody hears this" not in texts(keep, since=before)
    assert keep.clawkeep("alert", "silence", "two", "--end").returncode == 0


@pytest.mark.slow
def test_hooks_that_are_no_longer_declared_leave_nothing(keep: Built) -> None:
    with (keep.project / "group_data" / "all.py").open("a") as values:
        values.write("\nalerts = []\n")
    keep.converge("--data", "phase=operations")
    assert keep.host(f"ls {HOOKS} /Library/LaunchDaemons/{JOB}.plist").stdout == ""
    assert keep.host(f"launchctl print system/{JOB}").returncode != 0
    assert changed(keep.converge("--data", "phase=operations")) == []


@pytest.mark.slow
def test_a_bridge_killed_under_a_thousand_half_open_connections(
    keep: Built, faults: Faults
) -> None:
    """It is back at once, nothing of the old one listens, and one alert tells of all deaths."""
    bridge = "pgrep -f '[l]pbridge-home-assistant'"
    listens = f"lsof -nP -iTCP:{PORT} -sTCP:LISTEN -t"
    fetch = f"curl -s -m 2 --noproxy '*' http://{GATEWAY}:{PORT}/"
    quiet = f"block drop out quick proto tcp from any to any port {PORT} flags R/R"
    home = keep.guest(fetch).stdout
    assert home
    before = len(at(keep, "discord"))
    command = keep.lab.command(f"guest:{GUEST}", ["/usr/bin/python3", "-c", HELD])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crowd:
        assert crowd.stdout is not None
        assert crowd.stdout.readline() == b"held\n"
        assert keep.guest(f"echo '{quiet}' | pfctl -f - && pfctl -e").returncode == 0
        Stand(keep.lab, GUEST).send([HALF_OPEN])
        half = keep.host(f"netstat -an -p tcp | grep {PORT} | grep -c SYN_RCVD").stdout
        assert int(half) >= 1  # The control: they have arrived.
        old = set(keep.host(bridge).stdout.split())
        assert len(old) >= 6
        began = time.monotonic()
        assert keep.host(f"kill -9 {' '.join(old)}").returncode == 0
        wait("its listener", lambda: keep.host(listens).stdout, 20)
        back = time.monotonic() - began
        keep.guest("pfctl -d; pfctl -F all")
        wait("the door", lambda: keep.guest(fetch).stdout == home, 20)
        served = time.monotonic() - began
        crowd.communicate(b"")
    (listener,) = keep.host(listens).stdout.split()
    assert listener not in old
    assert not old & set(keep.host("ps -axo pid=").stdout.split())
    told = "home-assistant ended by itself"
    wait("the alert", lambda: told in texts(keep, since=before), 150)
    heard = time.monotonic() - began
    for _ in range(2):
        time.sleep(12)  # launchd's throttle: a job that ran for less than ten seconds waits.
        assert keep.host(f"{bridge} | xargs kill -9").returncode == 0
    time.sleep(75)  # Two looks of the watcher, and the alerts' own.
    assert texts(keep, since=before).count(told) == 1
    assert back < 5
    faults.show(
        "bridge-killed",
        "SIGKILL for it and its children, amid 1000 half-open connections",
        "one alert for three deaths; no process and no listener of the old one is left",
        "launchd",
        detected_s=heard,
        mended_s=served,
    )
