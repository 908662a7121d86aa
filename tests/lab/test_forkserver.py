"""Stand-ins that the machines' fork servers run: the same identity, log, brake and power."""

import subprocess
import time
from collections.abc import Callable

import pytest

from lab.lab import Lab

pytestmark = pytest.mark.lab

JOB = "system/com.apple.lab.forkserver"


def sh(lab: Lab, command: str, user: str = "root") -> subprocess.CompletedProcess[str]:
    return lab.exec("host", ["/bin/sh", "-c", command], user=user)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(lab: Lab) -> str:
    """Name the processes that the server runs for callers: `for PID`."""
    return sh(lab, "/System/Lab/linux/bin/ps -Ao comm= | grep '^for ' || :").stdout


def test_the_caller_stays_who_he_is(lab: Lab) -> None:
    root, operator = (sh(lab, "pfctl -sr", user) for user in ("root", "operator"))

    assert root.returncode == 0
    assert (operator.returncode, operator.stderr) == (1, "pfctl: /dev/pf: Permission denied\n")


def test_the_log_names_the_callers_process_and_user(lab: Lab) -> None:
    told = sh(lab, "echo $$; exec sw_vers -productVersion", user="operator").stdout.split()

    call = lab.calls()[-1]
    assert (call["pid"], call["user"], call["machine"]) == (int(told[0]), "operator", "host")
    assert call["argv"] == ["/usr/bin/sw_vers", "-productVersion"]


def test_a_held_call_dies_with_its_caller(lab: Lab) -> None:
    before = len(lab.calls())
    lab.hold(before + 1)
    try:
        with subprocess.Popen(lab.command("host", ["/sbin/pfctl", "-e"])) as running:
            wait_for(lambda: len(lab.calls()) > before)
            pid = lab.calls()[before]["pid"]
            assert children(lab) == f"for {pid}\n"
            sh(lab, f"kill -KILL {pid}")
            assert running.wait(10) != 0
        wait_for(lambda: not children(lab))
    finally:
        lab.unhold()

    assert "Status: Disabled" in sh(lab, "pfctl -s info").stdout


def test_launchd_knows_the_callers_session(lab: Lab) -> None:
    found = sh(lab, "launchctl managername; launchctl manageruid", user="operator").stdout
    visited = sh(lab, "launchctl asuser 501 launchctl managername").stdout

    assert found.split() == ["Background", "501"]
    assert visited == "Aqua\n"


def test_without_the_server_programs_run_by_themselves(lab: Lab) -> None:
    warm = sh(lab, "pfctl -sr; ifconfig lo0")
    sh(lab, f"launchctl bootout {JOB}")
    try:
        alone = sh(lab, "pfctl -sr; ifconfig lo0; launchctl managername")
    finally:
        sh(lab, "launchctl bootstrap system /System/Library/LaunchDaemons/"
           "com.apple.lab.forkserver.plist")  # fmt: skip

    assert warm.returncode == alone.returncode == 0
    assert alone.stdout == f"{warm.stdout}System\n"


@pytest.mark.parametrize("power_cut", [False, True])
def test_it_comes_back_with_the_machine(lab: Lab, power_cut: bool) -> None:
    lab.reboot(power_cut=power_cut)

    wait_for(lambda: sh(lab, "test -S /private/var/run/lab-forkserver.sock").returncode == 0)
    lab.hold(len(lab.calls()) + 1)
    try:
        with subprocess.Popen(lab.command("host", ["/usr/bin/sw_vers"])) as running:
            wait_for(lambda: children(lab))
            lab.unhold()
            assert running.wait(10) == 0
    finally:
        lab.unhold()
