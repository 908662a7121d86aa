"""A converge that is killed at any point is finished by the next one, and never opened anything.

The lab's brake holds every stand-in once so many calls were made; the run is killed there, which is
the same instant each time, and then the calls are let go.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from lab.lab import Lab
from tests.lab.keep import BIN, GUEST, SMALL, Built, project

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def keep(tmp_path_factory: pytest.TempPathFactory, lab: Lab) -> Built:
    return Built(lab, project(tmp_path_factory.mktemp("faults"), SMALL))


def kill_after(keep: Built, calls: int) -> bool:
    """Kill a converge once `calls` more calls were made; tell whether it was killed in time."""
    hold = keep.lab.state.folder / "log" / "hold"
    goal = len(keep.lab.calls()) + calls
    hold.write_text(str(goal))
    try:
        run = keep.start()
        deadline = time.monotonic() + 120
        while run.poll() is None and len(keep.lab.calls()) < goal:
            assert time.monotonic() < deadline, "neither finished nor reached the call"
            time.sleep(0.02)
        if run.poll() is not None:
            return False
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        return True
    finally:
        hold.unlink(missing_ok=True)


def running(keep: Built) -> bool:
    """Tell whether the guest runs."""
    return keep.host(f"ls /private/var/run/lab-guests/{GUEST}.json").returncode == 0


def denials(keep: Built) -> tuple[bool, bool]:
    """Return whether bridge100 refuses IPv4 and IPv6 by rules that are really in force."""
    main = keep.host("pfctl -sr 2>/dev/null").stdout
    rules = keep.host("pfctl -a com.apple/000.clawkeep -sr 2>/dev/null").stdout
    enabled = "Status: Enabled" in keep.host("pfctl -s info 2>/dev/null").stdout
    live = enabled and 'anchor "com.apple/*"' in main
    return (
        live and "block return in quick on bridge100 inet all" in rules,
        live and "block drop in quick on bridge100 inet6 all" in rules,
    )


def test_killed_at_any_point_it_was_never_open_and_the_next_run_finishes(keep: Built) -> None:
    # A finer comb than the suite has time for: CLAWKEEP_FAULT_STEP=1.
    step = int(os.environ.get("CLAWKEEP_FAULT_STEP", "12"))
    was_closed = False
    kills = 0
    while kill_after(keep, step * (kills + 1)):
        kills += 1
        closed = denials(keep)
        # Once closed it stays closed, and no guest ever runs in front of an open bridge.
        assert closed == (True, True) or not was_closed, f"opened again after kill {kills}"
        assert closed == (True, True) or not running(keep), f"unguarded guest after kill {kills}"
        was_closed = was_closed or closed == (True, True)
    assert kills >= 5, "the run was too short to be killed in the middle"
    keep.converge()
    before = len(keep.lab.calls())
    keep.converge()
    assert keep.mutations(before) == []
    assert keep.status()["verdict"] == "well"


def test_ctrl_c_is_a_failure_and_the_next_run_finishes(keep: Built) -> None:
    keep.host("launchctl bootout system/com.nanoclaw.bridge.vaultwarden")
    hold = keep.lab.state.folder / "log" / "hold"
    hold.write_text(str(len(keep.lab.calls()) + 8))
    try:
        run = subprocess.Popen(
            [str(BIN / "clawkeep"), "apply", "network"],
            cwd=keep.project,
            env=keep.variables(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(3)
        os.killpg(run.pid, signal.SIGINT)
    finally:
        hold.unlink()
    assert run.wait(timeout=60) == 130
    keep.converge()
    assert keep.status()["verdict"] == "well"


def test_a_second_run_leaves_with_the_holders_pid(keep: Built) -> None:
    hold = keep.lab.state.folder / "log" / "hold"
    hold.write_text(str(len(keep.lab.calls()) + 1))
    first = keep.start()
    try:
        deadline = time.monotonic() + 20
        while not list((keep.lab.state.folder / "operator" / "state").rglob("lock")) or not any(
            p.read_text().strip() == str(first.pid)
            for p in (keep.lab.state.folder / "operator" / "state").rglob("lock")
        ):
            assert time.monotonic() < deadline, "the first run took no lock"
            time.sleep(0.05)
        second = keep.pyinfra("-y")
        assert second.returncode != 0
        assert f"another run is at work (pid {first.pid})" in second.stderr
    finally:
        hold.unlink(missing_ok=True)
        first.wait(timeout=120)
    assert first.returncode == 0
