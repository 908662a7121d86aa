"""What the guest cannot reach, seen from inside it, each denial with its positive control.

The control is the same probe in a lab whose guest runs as `tart run` runs it without Clawkeep:
there everything must answer, or the denial proves nothing.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator

import pytest

from lab.lab import Lab
from tests.lab.guarding import wait
from tests.lab.keep import GUEST, Built
from tests.lab.probes import Probe, forbidden, probe

pytestmark = pytest.mark.lab

TART = "sudo -u operator -H /opt/homebrew/bin/tart"
ANCHORS = ("com.apple/000.clawkeep", "com.apple/001.clawkeep-wall")


def sh(lab: Lab, script: str) -> subprocess.CompletedProcess[str]:
    return lab.exec("host", ["/bin/sh", "-c", script])


def address(lab: Lab, vm: str) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done = sh(lab, f"{TART} ip {vm} --resolver=agent")
        if done.returncode == 0:
            return done.stdout.strip()
        time.sleep(0.2)
    raise AssertionError(done.stderr)


def gateway6(lab: Lab) -> str:
    """Return the gateway's link-local address as the guest must write it."""
    text = sh(lab, "ifconfig bridge100").stdout
    line = next(line for line in text.splitlines() if "inet6 fe80" in line)
    return line.split()[1].split("%")[0] + "%en0"


def start_neighbour(lab: Lab, source: str, flags: str) -> str:
    """Start a second guest, as another tenant of the same host, and return its address."""
    sh(lab, f"{TART} clone {source} neighbour")
    sh(lab, f"{TART} set neighbour --random-mac")
    sh(lab, f"launchctl asuser 501 {TART} run --no-graphics {flags} neighbour >/dev/null 2>&1 &")
    return address(lab, "neighbour")


@contextlib.contextmanager
def lifted(keep: Built, *anchors: str) -> Iterator[None]:
    """Take rules away, the guard that would bring them back, and the canary that would see it.

    Then have all of it again.
    """
    jobs = [f"/Library/LaunchDaemons/com.nanoclaw.{name}.plist" for name in ("canary", "guard")]
    for job in jobs:
        keep.host(f"launchctl bootout system {job}")
    running = "pgrep -f 'clawkeep (guard|canary)'"
    wait("the guard's end", lambda: keep.host(running).returncode == 1)
    for anchor in anchors or ANCHORS:
        assert keep.host(f"pfctl -a {anchor} -F rules").returncode == 0
    try:
        yield
    finally:
        done = keep.host("/opt/clawkeep/bin/clawkeep enforce")
        assert done.returncode == 0, done.stderr
        for job in jobs:
            assert keep.host(f"launchctl bootstrap system {job}").returncode == 0


@pytest.fixture(scope="module")
def neighbour(keep: Built) -> str:
    """A second guest on the same host, started by hand and without Softnet; its address."""
    return start_neighbour(keep.lab, f"{GUEST}-base", "")


@pytest.fixture(scope="module")
def unguarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab.up(f"open-{time.time_ns() % 10**9}")
    try:
        install = "NONINTERACTIVE=1 /opt/homebrew/bin/brew"
        sh(
            lab,
            "sudo -u operator -H sh -c '"
            f"{install} trust --formula openai/tools/tart openai/tools/softnet;"
            f"HOMEBREW_NO_AUTO_UPDATE=1 {install} install openai/tools/tart openai/tools/softnet'",
        )
        sh(lab, f"{TART} clone ghcr.io/cirruslabs/macos-sequoia-base plain")
        sh(lab, f"launchctl asuser 501 {TART} run --no-graphics plain >/dev/null 2>&1 &")
        address(lab, "plain")
        yield lab
    finally:
        lab.down()


def test_an_unguarded_guest_reaches_all_of_it(unguarded: Lab) -> None:
    neighbour = start_neighbour(unguarded, "plain", "")
    probes = forbidden("192.168.64.1", gateway6(unguarded), neighbour)
    # Two guests of plain vmnet do not see each other: its bridge isolates them.
    results = probe(unguarded, "plain", probes) | {"another guest": True}
    assert results == dict.fromkeys(probes, True)


def test_the_guest_reaches_none_of_it(keep: Built, neighbour: str) -> None:
    probes = forbidden("192.168.64.1", gateway6(keep.lab), neighbour)
    assert probe(keep.lab, GUEST, probes) == dict.fromkeys(probes, False)


def test_the_four_doors_answer_with_real_data(keep: Built) -> None:
    report = keep.status()
    assert [door["verdict"] for door in report["doors"]] == ["well"] * 4


def test_an_undeclared_port_of_the_gateway_is_closed_and_opens_when_pf_is_lifted(
    keep: Built,
) -> None:
    probes = {"sshd": ("tcp", ["192.168.64.1", 22, True])}
    assert probe(keep.lab, GUEST, probes) == {"sshd": False}
    with lifted(keep):
        assert probe(keep.lab, GUEST, probes) == {"sshd": True}
    assert probe(keep.lab, GUEST, probes) == {"sshd": False}


def test_one_of_the_two_anchors_is_enough(keep: Built) -> None:
    probes: dict[str, Probe] = {"sshd": ("tcp", ["192.168.64.1", 22, True])}
    for anchor in ANCHORS:
        with lifted(keep, anchor):
            assert probe(keep.lab, GUEST, probes) == {"sshd": False}


def test_softnet_alone_still_closes_the_internet_and_the_lan(keep: Built) -> None:
    beyond: dict[str, Probe] = {
        "internet": ("tcp", ["1.1.1.1", 443]),
        "LAN": ("tcp", ["10.0.30.99", 22]),
        "host's LAN address": ("tcp", ["10.0.10.2", 22]),
        "ping": ("ping", ["1.1.1.1"]),
    }
    with lifted(keep):
        assert probe(keep.lab, GUEST, beyond) == dict.fromkeys(beyond, False)


def test_pf_alone_still_closes_everything(keep: Built, neighbour: str) -> None:
    """A guest that somebody starts by hand, without Softnet, is behind pf all the same."""
    probes = forbidden("192.168.64.1", gateway6(keep.lab), "192.168.64.2")
    assert probe(keep.lab, "neighbour", probes) == dict.fromkeys(probes, False)


def test_pf_counts_what_it_refuses(keep: Built) -> None:
    assert probe(keep.lab, GUEST, {"sshd": ("tcp", ["192.168.64.1", 22])}) == {"sshd": False}
    counters = keep.host("pfctl -a com.apple/000.clawkeep -vsr").stdout
    deny = counters[counters.index('label "clawkeep-deny4"') :].splitlines()[1]
    packets = int(deny.split("Packets:")[1].split()[0])
    assert packets > 0, json.dumps(deny)
