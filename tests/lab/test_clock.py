"""A lab with a clock of its own: every program of its Mac lives by it, and launchd's jobs, too."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from lab.__main__ import main
from lab.lab import Lab, down
from lab.state import LabError
from tests.lab.conftest import unique_name
from tests.lab.launchd_machine import wait_for
from tests.lab.test_launchd_lab import run, write

pytestmark = pytest.mark.lab

HOUR, DAY = 3600, 86_400
CALENDAR = (
    "<key>StartCalendarInterval</key><dict><key>Hour</key><integer>3</integer>"
    "<key>Minute</key><integer>15</integer></dict><key>ThrottleInterval</key><integer>0</integer>"
)
INTERVAL = "<key>StartInterval</key><integer>{}</integer>"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    name = unique_name("clock")
    try:
        lab = Lab.up(name, clock=True)
        # All of it below is of a day that has just begun.
        lab.clock.sleep(DAY - lab.clock.now() % DAY + HOUR)
        yield lab
    finally:
        down(name)


def seen(lab: Lab, *command: str, user: str = "root") -> float:
    """Return by how much a program's time is ahead of this machine's."""
    done = lab.exec("host", command, user=user)
    assert done.stderr == ""
    return float(done.stdout) - time.time()


def job(lab: Lab, label: str, extra: str) -> None:
    path = f"/Library/LaunchDaemons/{label}.plist"
    write(lab, path, label, f"date +%H:%M:%S &gt;&gt; /tmp/{label}", extra)
    text = run(lab, f"cat {path}").stdout.replace("<key>RunAtLoad</key><true/>", "")
    lab.exec("host", ["/bin/sh", "-c", f"cat > {path}"], input=text)
    loaded = run(lab, f"launchctl bootstrap system {path}")
    assert (loaded.returncode, loaded.stderr) == (0, "")


def runs(lab: Lab, label: str) -> int:
    return len(run(lab, f"cat /tmp/{label}").stdout.splitlines())


def test_no_program_escapes_it_not_by_its_suid_bit_nor_by_an_empty_environment(lab: Lab) -> None:
    offset = lab.clock.offset
    assert offset > 0
    for words in (
        ["date", "+%s"],
        ["/usr/bin/env", "-i", "/bin/date", "+%s"],
        ["perl", "-e", "print time"],
    ):
        assert seen(lab, *words) == pytest.approx(offset, abs=5), words
    assert seen(lab, "sudo", "date", "+%s", user="operator") == pytest.approx(offset, abs=5)
    by_ssh = subprocess.run(lab.ssh("sudo date +%s"), capture_output=True, text=True, check=True)
    assert float(by_ssh.stdout) - time.time() == pytest.approx(offset, abs=5)


def test_a_stand_in_of_the_fork_server_sees_the_same_and_files_by_it(lab: Lab) -> None:
    run(lab, "touch /Users/Shared/file")
    before = float(run(lab, "stat -f %m /Users/Shared/file").stdout)
    assert before - time.time() == pytest.approx(lab.clock.offset, abs=5)
    lab.clock.forward(0.5)
    assert float(run(lab, "stat -f %m /Users/Shared/file").stdout) == before


def test_a_run_that_was_due_in_a_sleep_is_made_up_for_once(lab: Lab) -> None:
    job(lab, "t.daily", CALENDAR)
    lab.clock.sleep(HOUR)
    time.sleep(0.5)
    assert runs(lab, "t.daily") == 0
    lab.clock.sleep(3 * DAY)
    wait_for(lambda: runs(lab, "t.daily") == 1, "the run at its wake")
    # Three of them were due, and it is not long until the next one.
    lab.clock.sleep(HOUR + 20 * 60)
    wait_for(lambda: runs(lab, "t.daily") == 2, "the run in time")


def test_a_clock_set_back_past_it_does_not_make_it_run_again(lab: Lab) -> None:
    job(lab, "t.once", CALENDAR)
    lab.clock.set(lab.clock.now() // DAY * DAY + DAY + 3 * HOUR + 15 * 60 + 2)
    wait_for(lambda: runs(lab, "t.once") == 1, "the run")
    lab.clock.forward(-HOUR)
    lab.clock.sleep(HOUR)
    time.sleep(0.5)
    assert runs(lab, "t.once") == 1
    lab.clock.sleep(DAY)
    wait_for(lambda: runs(lab, "t.once") == 2, "the next day's")


def test_an_interval_does_not_pass_while_the_mac_sleeps(lab: Lab) -> None:
    job(lab, "t.hourly", INTERVAL.format(HOUR))
    job(lab, "t.often", INTERVAL.format(1) + "<key>ThrottleInterval</key><integer>0</integer>")
    wait_for(lambda: runs(lab, "t.often") > 0, "one that is awake for its second")
    lab.clock.sleep(5 * HOUR)
    lab.clock.forward(5 * HOUR)
    time.sleep(1)
    assert runs(lab, "t.hourly") == 0


def test_after_2038_and_after_a_reboot_it_is_the_same_clock(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["clock", "set", "2038-01-19T03:14:06Z", "--name", lab.name]) == 0
    assert capsys.readouterr().out.startswith("2038-01-19T03:14:06.")
    time.sleep(2.5)
    assert run(lab, "date -u +%Y-%m-%dT%H").stdout == "2038-01-19T03\n"
    assert float(run(lab, "date +%s").stdout) >= 2**31
    run(lab, "touch /Users/Shared/late")
    lab.reboot()
    assert run(lab, "stat -f %Sm -t %Y /Users/Shared/late").stdout == "2038\n"
    # The lab's internet is in the same time, and its certificates are valid then.
    done = run(lab, "curl -sS -o /dev/null -w '%{http_code}' https://bitwarden.cstrube.de/alive")
    assert done.stdout == "200", done.stderr


def test_a_lab_without_one_says_so_and_has_nothing_of_it(
    start_lab: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(start_lab)
    plain: Lab = start_lab()
    with pytest.raises(LabError, match="lab up --clock"):
        _ = plain.clock
    assert main(["clock", "forward", "3h", "--name", plain.name]) == 1
    assert "has no clock of its own" in capsys.readouterr().err
    assert run(plain, "ls /etc/ld.so.preload /System/Lab/clock").stdout == ""
    assert seen(plain, "date", "+%s") == pytest.approx(0, abs=5)


def test_what_makes_no_sense_is_refused(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    before = lab.clock.offset
    for words in (["forward"], ["forward", "soon"], ["set", "3h"], ["show", "3h"]):
        assert main(["clock", *words, "--name", lab.name]) == 1
        assert "expected" in capsys.readouterr().err
    assert lab.clock.offset == before
