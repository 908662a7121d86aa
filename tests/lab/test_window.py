"""The provisioning window: open to what it names while its run lives, and not a moment longer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab.keep import GUEST, Built

pytestmark = [pytest.mark.lab, pytest.mark.slow]

HOLD = ["sudo", "-n", "/opt/clawkeep/bin/clawkeep", "window", "hold"]
RECORD = "/var/run/clawkeep/window.json"
CURL = "curl -fsS -m 5 -x http://192.168.64.1:3128"


def passes(keep: Built, url: str = "https://example.com/") -> bool:
    """Tell whether the guest gets `url` through the proxy; a probe that cannot run is an error."""
    done = keep.guest(f"{CURL} {url}")
    if done.returncode == 0:
        assert done.stdout == f"lab: {url.split('/')[2]}\n"
        return True
    assert done.returncode in {7, 22, 28, 35, 56}, done.stderr
    return False


def until(what: Callable[[], bool], seconds: float = 20) -> float:
    """Wait until something is so, and return how long that took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, f"not so after {seconds} s"
        time.sleep(0.1)
    return time.monotonic() - began


def recorded(keep: Built) -> bool:
    return keep.host(f"cat {RECORD}").returncode == 0


@contextlib.contextmanager
def held(keep: Built, span: str = "10m") -> Iterator[subprocess.Popen[str]]:
    """Hold a window over SSH, as a run does; yield the connection once it is open."""
    command = [*HOLD, "--for", span, "--domains", "example.com,download.example"]
    with subprocess.Popen(
        keep.lab.ssh(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        try:
            assert run.stdout is not None
            assert run.stdout.readline() == "open 192.168.64.1:3128\n"
            yield run
        finally:
            run.kill()
            until(lambda: not recorded(keep))


def pid_of_holder(keep: Built) -> int:
    who = json.loads(keep.host(f"cat {RECORD}").stdout)["who"]
    return int(who.rpartition("pid ")[2].rstrip(")"))


def closed(keep: Built) -> bool:
    """Tell whether nothing is left of a window: record, rule, proxy, and way."""
    rules = keep.host("pfctl -a com.apple/000.clawkeep -sr").stdout
    jobs = keep.host("launchctl print system/com.nanoclaw.proxy").returncode
    assert "clawkeep-svc-vaultwarden" in rules
    return not recorded(keep) and "clawkeep-proxy" not in rules and jobs != 0


def test_it_is_open_to_what_it_names_while_the_run_holds_it(keep: Built) -> None:
    assert closed(keep)
    assert not passes(keep)
    with held(keep) as run:
        assert passes(keep)
        assert not passes(keep, "https://github.com/")
        assert not passes(keep, "http://example.com/")
        shown = keep.host("/opt/clawkeep/bin/clawkeep window show --json").stdout
        assert json.loads(shown)["window"]["domains"] == ["download.example", "example.com"]
        assert run.stdin is not None
        run.stdin.close()
        assert run.wait(timeout=20) == 0
        # The holder has ended only when all is closed.
        assert closed(keep)
    assert not passes(keep)
    events = keep.host("cat /opt/clawkeep/var/events.jsonl").stdout
    assert '"window-opened"' in events
    assert '"window-closed"' in events


def test_a_tunnel_ends_with_it(keep: Built) -> None:
    with held(keep) as run:
        command = [*CURL.replace(" -m 5", "").split(), "-o", "/dev/null",
                   "https://download.example/slow?seconds=60&rate=1000"]  # fmt: skip
        argv = keep.lab.command(f"guest:{GUEST}", ["/usr/bin/curl", *command[1:]])
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as tunnel:
            time.sleep(1)
            assert tunnel.poll() is None
            assert run.stdin is not None
            run.stdin.close()
            assert tunnel.wait(timeout=20) != 0


def test_a_run_that_is_killed_closes_it(keep: Built) -> None:
    with held(keep) as run:
        assert passes(keep)
        run.kill()
        until(lambda: closed(keep))
    assert not passes(keep)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_holder_that_is_killed_closes_it(keep: Built, number: signal.Signals) -> None:
    with held(keep):
        assert passes(keep)
        keep.host(f"kill -{int(number)} {pid_of_holder(keep)}")
        until(lambda: closed(keep))
    assert not passes(keep)


def test_the_guard_closes_it_at_its_time_when_everybody_else_is_dead(keep: Built) -> None:
    began = time.monotonic()
    with held(keep, "20s"):
        holder = pid_of_holder(keep)
        children = keep.host(f"pgrep -P {holder}").stdout.split()
        assert children
        assert passes(keep)
        keep.host(f"kill -9 {' '.join(children)} {holder}")
        assert passes(keep)
        # The record stays, and counts no more.
        until(lambda: not passes(keep), 40)
        assert time.monotonic() - began > 15
        assert "clawkeep-proxy" not in keep.host("pfctl -a com.apple/000.clawkeep -sr").stdout
        keep.host("/opt/clawkeep/bin/clawkeep window close")


def test_a_second_run_does_not_get_one_and_the_first_keeps_its_own(keep: Built) -> None:
    with held(keep):
        second = keep.host(f"{' '.join(HOLD)} --domains github.com </dev/null")
        assert second.returncode == 1
        assert "holds one until" in second.stderr
        assert passes(keep)
        assert not passes(keep, "https://github.com/")


def test_the_operator_can_close_it_at_once(keep: Built) -> None:
    with held(keep) as run:
        assert keep.host("/opt/clawkeep/bin/clawkeep window close").stdout == "closed\n"
        assert closed(keep)
        assert run.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("--for 2h --domains a.example", "at most an hour"),
        ("--for soon --domains a.example", "no time"),
        ("--domains .com", "top-level"),
        ("--domains 10.0.30.99", "address"),
        ("--domains ''", "expected 1 to 50 domains"),
        ("--domains 'a.example\nhttp_access allow all'", "no host name"),
    ],
)
def test_what_is_no_window_opens_nothing(keep: Built, arguments: str, reason: str) -> None:
    done = keep.host(f"{' '.join(HOLD)} {arguments} </dev/null")
    assert done.returncode == 1
    assert reason in done.stderr
    assert not recorded(keep)


def test_only_root_opens_one(keep: Built) -> None:
    command = ["/opt/clawkeep/bin/clawkeep", "window", "hold", "--domains", "a.example"]
    done = keep.lab.exec("host", command, user="operator")
    assert (done.returncode, "run it with sudo" in done.stderr) == (1, True)


def test_a_converge_that_is_killed_in_the_middle_leaves_it_closed(keep: Built) -> None:
    file = keep.project / "group_data" / "all.py"
    file.write_text(f'{file.read_text()}\nguest |= {{"packages": ["jq", "kubernetes-cli"]}}\n')
    with keep.start() as run:
        try:
            until(lambda: recorded(keep), 200)
        finally:
            os.killpg(run.pid, signal.SIGKILL)
    until(lambda: closed(keep))
    said = keep.converge()
    assert "window: open to formulae.brew.sh, ghcr.io" in said
    assert closed(keep)
    assert keep.guest("ls /opt/homebrew/Cellar/kubernetes-cli").returncode == 0


def test_a_reboot_ends_it_and_the_host_comes_back_closed(keep: Built) -> None:
    with held(keep):
        assert passes(keep)
        keep.lab.reboot(power_cut=True)
        assert not recorded(keep)
        assert keep.host("launchctl print system/com.nanoclaw.guard").returncode == 0
        until(lambda: keep.lab.exec("host", ["pfctl", "-s", "info"]).stdout.startswith("Status: E"))
        assert "3128" not in keep.host("pfctl -a com.apple/000.clawkeep -sr").stdout
        assert keep.host("lsof -nP -iTCP:3128 -sTCP:LISTEN").stdout == ""
