"""One turn for all that works on the guest: a converge, what an operator types, launchd's jobs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from roles.base.runtime import PYTHON
from tests.lab.guarding import is_open, wait
from tests.lab.keep import Built

pytestmark = [pytest.mark.lab, pytest.mark.slow]

PROGRAM = "/opt/clawkeep/bin/clawkeep"
STATE = "/opt/clawkeep/var/snapshots/state.json"
TURN = "/private/var/run/clawkeep/turn.lock"
TICK_AT = """
import sys
sys.path.insert(0, "/opt/clawkeep/lib")
from clawkeep.onhost import clock, snapshot
clock.wall = lambda: float(sys.argv[1])
sys.exit(snapshot.main(["tick"]))
"""


def at_work(keep: Built) -> str:
    """Return who says of himself that he has the turn, or had it last."""
    return keep.host(f"head -n 1 {TURN}").stdout.strip()


def made(keep: Built) -> list[str]:
    rows = json.loads(keep.host(f"{PROGRAM} snapshot list --json").stdout)["snapshots"]
    return [row["reason"] for row in rows]


def free(keep: Built) -> bool:
    return keep.host(f"{PROGRAM} hold nobody --wait 0 </dev/null").returncode == 0


def test_a_converge_keeps_all_others_away_and_killed_it_does_not(keep: Built) -> None:
    assert free(keep)
    # Something to do, so that it takes its time.
    text = (keep.project / "allowlist.yml").read_text()
    keep.allowlist(text.replace("port: 18443", "port: 18444"))
    run = keep.start("--data", "phase=network")
    try:
        wait("it has the turn", lambda: at_work(keep).startswith("a converge, by "), 60)
        os.kill(run.pid, signal.SIGSTOP)
        for words in ("snapshot create", "snapshot verify", "snapshot restore latest"):
            done = keep.host(f"{PROGRAM} {words} --wait 0")
            assert (done.returncode, "a converge, by " in done.stderr) == (75, True), done.stderr
        assert keep.host(f"{PROGRAM} snapshot tick").returncode == 0
        said = keep.host("cat /private/var/run/clawkeep/maintenance.json").stdout
        assert json.loads(said)["reason"].startswith("a converge, by ")
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
    began = time.monotonic()
    wait("the turn is free", lambda: free(keep), 20)
    assert time.monotonic() - began < 15
    keep.allowlist(text)
    keep.converge("--data", "phase=network")
    assert keep.status()["verdict"] == "well"


def test_a_converge_waits_for_a_snapshot_and_sees_what_it_left(keep: Built) -> None:
    command = keep.lab.command("host", [PROGRAM, "snapshot", "create", "--reason=at work"])
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as first:
        wait("it begins", lambda: "snapshot create" in at_work(keep), 30)
        said = keep.converge("--data", "phase=base")
    assert first.returncode == 0
    assert "at work" in made(keep)
    assert "No changes" in said
    wait("the doors", lambda: is_open(keep), 90)


def test_a_converge_that_waits_too_long_names_who_is_at_work(keep: Built) -> None:
    with keep.holding("a backup of somebody"):
        done = keep.clawkeep("apply", "network", timeout_s=150)
        plan = keep.clawkeep("plan", "network")
    assert done.returncode == 75
    assert "a backup of somebody (pid " in done.stderr
    assert plan.returncode == 0, plan.stderr


def test_a_daily_snapshot_that_finds_others_at_work_comes_later(keep: Built) -> None:
    plan = {"format": 1, "at": "04:30", "keep": 7, "verify_days": 4, "free_gb": 1, "drain_s": 5}
    keep.host(
        "launchctl bootout system/com.nanoclaw.snapshots; "
        f"echo '{json.dumps(plan)}' > /opt/clawkeep/etc/snapshots.json; rm -f {STATE}"
    )

    def tick(at: float) -> None:
        done = keep.lab.exec("host", [PYTHON, "-I", "-c", TICK_AT, str(at)], timeout=120)
        assert done.returncode == 0, done.stderr

    now = time.time()
    tick(now)
    before = made(keep)
    with keep.holding("a converge of somebody"):
        for minute in range(3):
            tick(now + 86_400 + 60 * minute)
        assert made(keep) == before
        assert json.loads(keep.host(f"cat {STATE}").stdout)["tries"] == 0
    tick(now + 86_400 + 240)
    assert made(keep) == [*before, "daily"]
