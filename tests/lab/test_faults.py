"""A converge that is killed at any point is finished by the next one, and never opened anything.

The lab's brake holds every stand-in once so many calls were made; the run is killed there, which is
the same instant each time, and then the calls are let go.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.lab import Lab
from tests.lab.keep import BIN, GUEST, SMALL, Built, project
from tests.recording import Faults

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def keep(tmp_path_factory: pytest.TempPathFactory, lab: Lab) -> Built:
    return Built(lab, project(tmp_path_factory.mktemp("faults"), SMALL))


def kill_after(keep: Built, calls: int) -> bool:
    """Kill a converge once `calls` more calls were made; tell whether it was killed in time."""
    with held_after(keep, calls) as reached:
        run = keep.start()
        if not reached(run):
            return False
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        return True


@contextlib.contextmanager
def held_after(keep: Built, calls: int) -> Iterator[Callable[[subprocess.Popen[Any]], bool]]:
    """Hold every stand-in after `calls` more; gives what waits until a run got there.

    It tells False when the run ended before.
    """
    goal = len(keep.lab.calls()) + calls

    def reached(run: subprocess.Popen[Any]) -> bool:
        deadline = time.monotonic() + 120
        while run.poll() is None and len(keep.lab.calls()) < goal:
            assert time.monotonic() < deadline, "neither finished nor reached the call"
            time.sleep(0.02)
        return run.poll() is None

    keep.lab.hold(goal)
    try:
        yield reached
    finally:
        keep.lab.unhold()


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


@pytest.mark.slow
def test_killed_at_any_point_it_was_never_open_and_the_next_run_finishes(
    keep: Built, faults: Faults
) -> None:
    # A finer comb than the suite has time for: CLAWKEEP_FAULT_STEP=1.
    step = int(os.environ.get("CLAWKEEP_FAULT_STEP", "40"))
    was_closed = False
    kills = 0
    while kill_after(keep, step * (kills + 1)):
        kills += 1
        closed = denials(keep)
        # Once closed it stays closed, and no guest ever runs in front of an open bridge.
        assert closed == (True, True) or not was_closed, f"opened again after kill {kills}"
        assert closed == (True, True) or not running(keep), f"unguarded guest after kill {kills}"
        was_closed = was_closed or closed == (True, True)
    assert kills >= 1, f"killed {kills} times only: the run was too short for that"
    began = time.monotonic()
    keep.converge()
    finished = time.monotonic() - began
    before = len(keep.lab.calls())
    keep.converge()
    assert keep.mutations(before) == []
    assert keep.status()["verdict"] == "well"
    faults.show(
        "converge-killed",
        f"SIGKILL, {kills} times, after each {step} calls of the first converge",
        "never open, no guest without its walls; the next run finishes, one more changes nothing",
        "the next run",
        mended_s=finished,
    )


@pytest.mark.parametrize("started", ["default", "ignore"])
def test_ctrl_c_is_a_failure_and_the_next_run_finishes(
    keep: Built, started: str, faults: Faults
) -> None:
    # What a shell does to SIGINT: nothing in the foreground; `&` in a script has it ignored.
    keep.host("launchctl bootout system/com.nanoclaw.bridge.vaultwarden")
    with held_after(keep, 8) as reached:
        run = subprocess.Popen(
            ["env", f"--{started}-signal=INT", str(BIN / "clawkeep"), "apply", "network"],
            cwd=keep.project,
            env=keep.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert run.stdout is not None
        # The guard's calls are held, too: pyinfra must have begun.
        said = run.stdout.readline()
        assert reached(run)
        os.killpg(run.pid, signal.SIGINT)
    said += run.communicate(timeout=60)[0]
    assert run.returncode == 130, said
    keep.converge()
    assert keep.status()["verdict"] == "well"
    name = "Ctrl-C" if started == "default" else "SIGINT of a script's background run"
    faults.show("converge-killed", name, "exit 130; the next run finishes", "the next run")


def test_a_second_run_leaves_with_the_holders_pid(keep: Built, faults: Faults) -> None:
    with held_after(keep, 1):
        first = keep.start()
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
    assert first.wait(timeout=120) == 0
    says = "the second ends and names the holder's pid; the first goes on and succeeds"
    faults.show("two-runs", "a converge while one is at work", says)
