"""Snapshots on a keep: made, tried by booting them, brought back, killed, and made each day."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from typing import Any

import pytest

from lab.state import LabError
from roles.base.runtime import PYTHON
from tests.lab.guarding import is_open, wait
from tests.lab.keep import BIN, GUEST, Built
from tests.recording import Faults

pytestmark = pytest.mark.lab

FOLDER = "/opt/clawkeep/var/snapshots"
LIST = ["/opt/homebrew/bin/tart", "list", "--source", "local", "--format", "json"]
NOTE = "/Users/Shared/note"


@pytest.fixture(scope="module")
def snapped(keep: Built) -> Built:
    """A keep as this checkout lays it out, its guest with a note."""
    write(keep, "one")
    return keep


def snapshot(keep: Built, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "clawkeep"), "snapshot", *words],
        cwd=keep.project,
        env=keep.variables(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def data(keep: Built, *words: str, status: int = 0) -> dict[str, Any]:
    done = snapshot(keep, *words, "--json")
    assert done.returncode == status, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def vms(keep: Built) -> dict[str, str]:
    said = keep.lab.exec("host", LIST, user="operator")
    return {vm["Name"]: vm["State"] for vm in json.loads(said.stdout)}


def write(keep: Built, text: str) -> None:
    keep.guest(f"echo {text} > {NOTE}")


def note(keep: Built) -> str:
    return keep.guest(f"cat {NOTE}").stdout.strip()


def well(keep: Built) -> None:
    """The guest runs in its keep, and nothing is half there."""
    wait("the guest", lambda: vms(keep).get(GUEST) == "running", 90)
    wait("the doors", lambda: is_open(keep), 90)
    assert not [name for name in vms(keep) if "." in name]
    assert keep.host(f"ls {FOLDER}/task.json").returncode != 0


def test_a_snapshot_is_made_listed_and_brought_back(snapped: Built) -> None:
    made = data(snapped, "create", "--reason=before a try")
    assert made["facts"]["macos"]
    assert made["pause_s"] > 0
    well(snapped)
    write(snapped, "two")
    listed = data(snapped, "list")["snapshots"]
    assert [(r["name"], r["reason"]) for r in listed] == [
        (f"{GUEST}-base", "when first complete"),
        (made["name"], "before a try"),
    ]
    back = data(snapped, "restore", made["name"])
    well(snapped)
    assert note(snapped) == "one"
    assert vms(snapped)[back["replaced"]] == "stopped"
    # The new guest has another address, and is the keep's all the same.
    said = snapped.clawkeep("status").stdout
    assert "host key as pinned" in said
    assert [line for line in said.splitlines() if line.startswith("DOOR")]
    assert all("  ok  " in line for line in said.splitlines() if line.startswith("DOOR")), said


CREATE = ["/opt/clawkeep/bin/clawkeep", "snapshot", "create"]
TICK = "launchctl kickstart system/com.nanoclaw.snapshots"
TRYING = f"{GUEST}.trying"
TICK_AT = """
import sys
sys.path.insert(0, "/opt/clawkeep/lib")
from clawkeep.onhost import clock, snapshot
clock.wall = lambda: float(sys.argv[1])
sys.exit(snapshot.main(["tick"]))
"""
TRY = """
import socket, sys
for at in sys.argv[1:]:
    host, port = at.split(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
        print(at, "open")
    except OSError as error:
        print(at, "closed", error)
"""


def reached(keep: Built, vm: str, *ends: str) -> list[str]:
    """Return what can be reached from a guest, tried as its root."""
    done = keep.lab.exec(f"guest:{vm}", ["/usr/bin/python3", "-c", TRY, *ends])
    assert len(done.stdout.splitlines()) == len(ends), done.stderr
    return [line.split()[0] for line in done.stdout.splitlines() if line.split()[1] == "open"]


def booted(keep: Built, vm: str) -> bool:
    with contextlib.suppress(LabError):
        return keep.lab.exec(f"guest:{vm}", ["/usr/bin/true"]).returncode == 0
    return False


@pytest.mark.slow
def test_verified_by_boot_in_a_guest_that_reaches_nothing(snapped: Built) -> None:
    ends = ["192.168.64.1:18443", "192.168.64.1:22", "192.168.64.1:3128", "192.168.64.2:22"]
    assert reached(snapped, GUEST, ends[0]) == ends[:1]
    # A trial is over in seconds: its maker is held up, for the guest to be looked at.
    held = (
        f"{' '.join(CREATE[:-1])} verify latest --json > /tmp/said 2>&1 & p=$!; "
        f"until ls {TART}/{TRYING}/control.sock >/dev/null 2>&1; do sleep 0.01; done; "
        "kill -STOP $p; (sleep 25; kill -CONT $p) & wait $p"
    )
    command = snapped.lab.command("host", ["/bin/sh", "-c", held])
    with subprocess.Popen(command) as process:
        wait("its boot", lambda: booted(snapped, TRYING), 20)
        assert reached(snapped, TRYING, *ends) == []
    assert process.returncode == 0
    said = json.loads(snapped.host("cat /tmp/said").stdout)
    assert said["ok"] is True
    well(snapped)
    (row,) = [r for r in data(snapped, "list")["snapshots"] if r["name"] == said["name"]]
    assert time.time() - row["verified"] < 120


@pytest.mark.slow
def test_two_operators_at_once(snapped: Built) -> None:
    before = len(data(snapped, "list")["snapshots"])
    typed = [str(BIN / "clawkeep"), "snapshot", "create"]
    options: dict[str, Any] = {"cwd": snapped.project, "env": snapped.variables(), "text": True}
    with subprocess.Popen(typed, **options, stdout=subprocess.DEVNULL) as first:
        wait("it begins", lambda: snapped.host(f"ls {FOLDER}/task.json").returncode == 0, 30)
        refused = snapshot(snapped, "create", "--wait=0")
        assert refused.returncode == 75
        assert "clawkeep snapshot create (pid " in refused.stderr
        assert snapped.host("/opt/clawkeep/bin/clawkeep snapshot tick").returncode == 0
        under_way = json.loads(snapshot(snapped, "status", "--json").stdout)["task"]
        assert under_way["kind"] == "create"
        # Whoever waits has it next.
        assert snapshot(snapped, "create").returncode == 0
    assert first.returncode == 0
    assert len(data(snapped, "list")["snapshots"]) == before + 2
    well(snapped)


LINUX = "/System/Lab/linux/bin"
TART = "/Users/*/.tart/vms"
KILLS = {
    "create-begun": ("create", f"[ -e {FOLDER}/task.json ]"),
    "create-stopping": ("create", "[ -e /private/var/run/clawkeep/snapshot-stopping ]"),
    "create-cloning": ("create", f"ls -d {TART}/{GUEST}.taking"),
    "create-named": ("create", f"ls {FOLDER}/records/*.json | grep -qv -f /tmp/before"),
    "verify-running": ("verify latest", f"ls -d {TART}/{TRYING}/control.sock"),
    "restore-cloning": ("restore latest", f"ls -d {TART}/{GUEST}.restoring"),
    "restore-stopping": ("restore latest", "[ -e /private/var/run/clawkeep/snapshot-stopping ]"),
    "restore-exchanged": ("restore latest", f"ls -d {TART}/{GUEST}-before-* | grep -qv -f /tmp/b4"),
}


@pytest.mark.slow
@pytest.mark.parametrize("step", KILLS)
def test_killed_at_a_step_the_guest_runs_again(step: str, snapped: Built, faults: Faults) -> None:
    what, sight = KILLS[step]
    before = set(vms(snapped))
    text = note(snapped)
    snapped.host(
        f"ls {FOLDER}/records/*.json > /tmp/before; "
        f"ls -d {TART}/{GUEST}-before-* > /tmp/b4 || echo none > /tmp/b4"
    )
    killed = snapped.host(
        f"/opt/clawkeep/bin/clawkeep snapshot {what} >/tmp/said 2>&1 & p=$!; i=0; "
        f"until {sight} >/dev/null 2>&1; do i=$((i+1)); [ $i -lt 3000 ] || exit 3; sleep 0.01; "
        "done; kill -9 $p; wait $p; [ $? = 137 ]"
    )
    assert killed.returncode == 0, snapped.host("cat /tmp/said").stdout
    began = time.monotonic()
    assert snapped.host(f"ls {FOLDER}/task.json").returncode == 0
    snapped.host(TICK)
    wait("it is settled", lambda: snapped.host(f"ls {FOLDER}/task.json").returncode != 0, 200)
    well(snapped)
    mended = time.monotonic() - began
    assert before <= set(vms(snapped))
    if what.startswith("restore"):
        assert note(snapped) in {text, "one"}
    else:
        assert note(snapped) == text
    events = snapped.host("grep interrupted /opt/clawkeep/var/events.jsonl").stdout
    assert events.splitlines()[-1].count(what.split()[0]) >= 1
    verb, _, moment = step.partition("-")
    says = "an event names what was interrupted; all snapshots are there"
    fault = f"`snapshot {verb}` is killed: {moment}"
    faults.show("snapshot", fault, says, "launchd's next tick", mended_s=mended, lost=0)


RESTORE = """
import os, signal, sys
sys.path.insert(0, "/opt/clawkeep/lib")
from clawkeep.onhost import snapshot, snapshot_mac
snapshot_mac.HEALTHY_S = float(sys.argv[1])
if sys.argv[2:]:
    # Killed with the guest between its two names.
    rename = snapshot_mac.HostMac.rename
    def once(mac, name, new):
        rename(mac, name, new)
        os.kill(os.getpid(), signal.SIGKILL)
    snapshot_mac.HostMac.rename = once
sys.exit(snapshot.main(["restore", "latest"]))
"""
DISK = f"/System/Lab/disks/$(head -n 1 {TART}/%s/disk.img | cut -d ' ' -f 2)/upper"
SPOILS = {
    "its disk does not boot": "rm -rf $d/dev; echo rubbish > $d/dev",
    "it never answers": (
        "f=$d/opt/homebrew/bin/tart-guest-agent; rm -f $f; mkdir -p ${f%/*}; "
        "printf '#!/bin/sh\\nexec sleep 100000\\n' > $f; chmod 755 $f"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("spoil", SPOILS)
def test_a_bad_snapshot_is_undone_and_alerted(snapped: Built, spoil: str, faults: Faults) -> None:
    write(snapped, "mine")
    good = data(snapped, "create")["name"]
    made = data(snapped, "create")["name"]
    before = vms(snapped)
    spoilt = snapped.host(f"set -e; d={DISK % made}; ls -d $d; {SPOILS[spoil]}")
    assert spoilt.returncode == 0, spoilt.stderr
    try:
        began = time.monotonic()
        done = snapped.lab.exec("host", [PYTHON, "-I", "-c", RESTORE, "20"], timeout=400)
        assert done.returncode == 1, done.stdout
        well(snapped)
        mended = time.monotonic() - began
        assert note(snapped) == "mine"
        assert vms(snapped).keys() == before.keys()
        assert f"{made} was no good (the guest does not answer)" in done.stderr
        assert "the former guest is back" in done.stderr
        alerted = "sys.path.insert(0, '/opt/clawkeep/lib'); from clawkeep.onhost import "
        alerted = f"import sys; {alerted}snapshot_state; print(snapshot_state.problems())"
        said = snapped.lab.exec("host", [PYTHON, "-I", "-c", alerted]).stdout
        assert "no-good" in said
        assert made in said
        assert snapshot(snapped, "status").returncode == 1
        # The one before is what is left to restore, and it does.
        data(snapped, "verify", good)
        assert snapshot(snapped, "status").returncode in {0, 2}
        data(snapped, "restore", "verified")
        well(snapped)
        assert note(snapped) == "mine"
        says = "it was no good, and the former guest is back; an alert"
        faults.show("restore", spoil, says, "the same run", mended_s=mended, lost=0)
    finally:
        snapped.host(
            f"sudo -u operator -H {LIST[0]} delete {made}; rm {FOLDER}/records/{made}.json"
        )


@pytest.mark.slow
def test_a_converge_ends_a_restore_that_was_interrupted(snapped: Built) -> None:
    """With the guest between its names, it would be cloned anew from the image."""
    write(snapped, "mine")
    data(snapped, "create")
    snapped.host("launchctl bootout system/com.nanoclaw.snapshots")
    script = [PYTHON, "-I", "-c", RESTORE, "300", "killed"]
    assert snapped.lab.exec("host", script, timeout=200).returncode in {-9, 137}
    assert GUEST not in vms(snapped)
    snapped.converge("--data", "phase=base,operations")
    well(snapped)
    assert note(snapped) == "mine"


@pytest.mark.slow
def test_launchd_ends_what_was_interrupted_by_itself(snapped: Built) -> None:
    snapped.host(
        "/opt/clawkeep/bin/clawkeep snapshot create >/dev/null 2>&1 & p=$!; "
        f"until ls -d {TART}/{GUEST}.taking >/dev/null 2>&1; do sleep 0.01; done; kill -9 $p"
    )
    assert vms(snapped)[GUEST] == "stopped"
    wait("it is settled", lambda: snapped.host(f"ls {FOLDER}/task.json").returncode != 0, 90)
    well(snapped)


@pytest.mark.slow
def test_a_full_disk_leaves_all_as_it_was(snapped: Built, faults: Faults) -> None:
    """Where root writes: full before anything is written, and after the first or second file."""
    before = set(vms(snapped))
    for free in (0, 4, 8):
        snapped.host(
            f"cp -R {FOLDER} /tmp/aside && {LINUX}/mount -t tmpfs -o size=128k tmpfs {FOLDER} && "
            f"cp -R /tmp/aside/. {FOLDER}; "
            f"n=$(df -k {FOLDER} | awk 'END {{print $4}}'); "
            f"dd if=/dev/zero of={FOLDER}/fill bs=1k count=$((n - {free})) 2>/dev/null"
        )
        try:
            done = snapped.host(" ".join(CREATE))
            assert done.returncode == 1
            assert "No space left" in done.stderr
            assert vms(snapped)[GUEST] == "running"
            assert before <= set(vms(snapped))
        finally:
            snapped.host(f"{LINUX}/umount {FOLDER}; rm -rf /tmp/aside")
        well(snapped)
    state = data(snapped, "create")
    assert state["name"] in vms(snapped)
    says = "No space left, and which file; no snapshot goes, the guest runs"
    faults.show("disk-full", "where a snapshot's record is written", says, "the next run", lost=0)


@pytest.mark.slow
def test_ten_days_of_work_leave_the_right_seven(snapped: Built) -> None:
    """launchd's tick waits; each process that ticks gets a clock of its own.

    The host's clock stays: a guard whose canary is suddenly hours old rightly stops the guest.
    """
    plan = {"format": 1, "at": "04:30", "keep": 7, "verify_days": 4, "free_gb": 1, "drain_s": 5}
    snapped.host(
        "launchctl bootout system/com.nanoclaw.snapshots; "
        f"echo '{json.dumps(plan)}' > /opt/clawkeep/etc/snapshots.json"
    )
    by_hand = [r["name"] for r in data(snapped, "list")["snapshots"] if r["kind"] != "scheduled"]
    start = time.time()
    for step in range(10 * 4 + 1):
        now = start + step * 6 * 3600
        done = snapped.lab.exec("host", [PYTHON, "-I", "-c", TICK_AT, str(now)], timeout=120)
        assert done.returncode == 0, done.stderr
    rows = [r for r in data(snapped, "list")["snapshots"] if r["kind"] == "scheduled"]
    days = [r["name"].split("-")[-1][:8] for r in rows]
    assert len(set(days)) == len(days) == 7
    numbers = [r["number"] for r in rows]
    assert numbers == list(range(numbers[0], numbers[0] + 7))
    assert any(r["verified"] for r in rows)
    there = vms(snapped)
    assert {r["name"] for r in rows} <= there.keys()
    assert {name for name in by_hand if "-before-" not in name} <= there.keys()
    events = snapped.host("cat /opt/clawkeep/var/events.jsonl").stdout.splitlines()
    texts = [json.loads(line)["text"] for line in events]
    assert sum("was made (daily)" in text for text in texts) == 10
    assert sum("was deleted" in text and "-snap-" in text for text in texts) == 3
    well(snapped)
