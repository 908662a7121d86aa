"""Keeps that are not the default one: another subnet, another size, another image; a sick one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.lab import Lab
from tests.lab.guarding import events, happened, wait
from tests.lab.keep import GUEST, SMALL, Built, project
from tests.recording import Faults

pytestmark = pytest.mark.lab

TART = "sudo -u operator -H /opt/homebrew/bin/tart"


def declare(keep: Built, **guest: object) -> None:
    """Change values of the declared guest."""
    path = keep.project / "group_data" / "all.py"
    path.write_text(path.read_text() + f"\nguest |= {guest!r}\n")


@pytest.mark.slow
def test_bridge_and_gateway_are_looked_up_never_assumed(
    tmp_path: Path, start_lab: Callable[..., Lab], faults: Faults
) -> None:
    # Softnet of the future gives every guest a /30 of its own (reference/tart.md §2.5).
    lab = start_lab(subnet="192.168.65.1/30", bridge=101)
    built = Built(lab, project(tmp_path / "other", SMALL))
    built.converge()
    report = built.status()
    assert report["verdict"] == "well"
    assert {door["listen"].split(":")[0] for door in report["doors"]} == {"192.168.65.1"}
    rules = built.host("pfctl -a com.apple/000.clawkeep -sr 2>/dev/null").stdout
    assert "pass in quick on bridge101 inet proto tcp from 192.168.65.2 to 192.168.65.1" in rules
    assert "block return in quick on bridge100 inet all" in rules
    says = "rules and doors are bridge101's; both bridges refuse all else"
    faults.show("bridge100", "the guest is on bridge101, in another network", says)


@pytest.mark.slow
def test_a_bridge_that_is_down_makes_the_status_bad_and_a_converge_repairs_it(
    keep: Built,
) -> None:
    keep.host("launchctl bootout system/com.nanoclaw.bridge.truenas-ssh")
    done = keep.clawkeep("status", "--json")
    report = json.loads(done.stdout)
    verdicts = {door["name"]: door["verdict"] for door in report["doors"]}
    assert done.returncode == 1
    verified = keep.clawkeep("verify", "network")
    assert verified.returncode == 1
    assert "differs  Host | bridges of the services" in verified.stdout
    assert verdicts == {
        "vaultwarden": "well",
        "home-assistant": "well",
        "kubernetes": "well",
        "truenas-ssh": "bad",
    }
    keep.converge("--data", "phase=network")
    assert keep.clawkeep("status").returncode == 0


def test_rules_that_somebody_added_are_undone_by_the_guard(keep: Built) -> None:
    before = len(events(keep))
    keep.host(
        "(echo 'pass in quick on bridge100 inet all'; cat /opt/clawkeep/etc/anchor.conf) |"
        " pfctl -a com.apple/000.clawkeep -f -"
    )
    wait("repaired", lambda: happened(keep, "repaired", "000.clawkeep differs (1 more)", before))
    wait("well", lambda: keep.status()["anchor"] == "in force")


def test_a_door_that_is_no_longer_declared_is_seen_before_it_is_closed(keep: Built) -> None:
    good = (keep.project / "allowlist.yml").read_text()
    start = good.index("  - name: kubernetes")
    keep.allowlist(good[:start] + good[good.index("  - name:", start + 5) :])
    report = keep.status()
    keep.allowlist(good)
    doors = {door["name"]: door["job"] for door in report["doors"]}
    assert (report["verdict"], doors["kubernetes"]) == ("bad", "undeclared")


@pytest.mark.slow
def test_a_target_that_is_down_is_not_taken_for_a_working_door(keep: Built) -> None:
    """The bridge listens and accepts; only the service itself is missing."""
    good = (keep.project / "allowlist.yml").read_text()
    keep.allowlist(good.replace("10.0.30.5:8123", "10.0.30.5:8124"))
    keep.converge("--data", "phase=network")
    door = next(d for d in keep.status()["doors"] if d["name"] == "home-assistant")
    keep.allowlist(good)
    keep.converge("--data", "phase=network")
    assert (door["job"], door["listening"], door["verdict"]) == ("running", True, "bad")
    assert keep.status()["verdict"] == "well"


@pytest.mark.slow
def test_a_larger_guest_is_shut_down_cleanly_and_comes_back_larger(keep: Built) -> None:
    keep.guest("echo kept > /Users/claw/mark")
    declare(keep, cpu=6, memory_mb=12288, disk_gb=60)
    keep.converge()
    size = json.loads(keep.host(f"{TART} get {GUEST} --format json").stdout)
    assert (size["CPU"], size["Memory"], size["Disk"]) == (6, 12288, 60)
    log = keep.host(f"cat /Users/operator/Library/Logs/clawkeep/{GUEST}.log").stdout
    assert "the guest has stopped as asked" in log
    assert "cutting its power" not in log
    assert keep.guest("cat /Users/claw/mark").stdout == "kept\n"
    assert keep.status()["verdict"] == "well"


@pytest.mark.slow
def test_a_guest_that_shuts_itself_down_comes_back_with_its_doors(keep: Built) -> None:
    before = len(keep.lab.calls())
    keep.host(f"{TART} exec {GUEST} /usr/bin/sudo -n /sbin/shutdown -h now")
    deadline = time.monotonic() + 60
    while not any(call["argv"][:2] == ["tart", "run"] for call in keep.lab.calls()[before:]):
        assert time.monotonic() < deadline, "nobody started it again"
        time.sleep(0.2)
    while keep.clawkeep("status").returncode != 0:
        assert time.monotonic() < deadline, keep.clawkeep("status").stdout
    assert keep.status()["verdict"] == "well"


@pytest.mark.slow
def test_a_disk_is_never_shrunk(keep: Built) -> None:
    declare(keep, disk_gb=50)
    before = len(keep.lab.calls())
    done = keep.pyinfra("-y")
    assert done.returncode == 1
    assert "its disk is 60 GB and cannot shrink to 50 GB" in done.stderr
    assert keep.mutations(before) == []
    declare(keep, disk_gb=60)
    keep.converge()


def test_an_existing_guest_is_never_cloned_over(keep: Built) -> None:
    keep.guest("echo mine > /Users/claw/mark")
    declare(keep, image="ghcr.io/cirruslabs/macos-sequoia-base:latest")
    before = len(keep.lab.calls())
    keep.converge()
    assert [call for call in keep.mutations(before) if "clone" in call] == []
    assert keep.guest("cat /Users/claw/mark").stdout == "mine\n"


def test_another_host_key_is_refused(keep: Built, faults: Faults) -> None:
    """Whoever answers at the guest's address without its key is not the guest."""
    keep.guest("cp /etc/ssh/ssh_host_ed25519_key /var/root/kept; rm /etc/ssh/ssh_host_ed25519_key*")
    keep.guest("ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key")
    done = keep.pyinfra("-y", "--data", "phase=network")
    status = keep.clawkeep("status", "--json")
    keep.guest("mv -f /var/root/kept /etc/ssh/ssh_host_ed25519_key; rm /etc/ssh/*ed25519_key.pub")
    keep.guest("ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key > /etc/ssh/ssh_host_ed25519_key.pub")
    assert done.returncode == 1
    assert "host key" in done.stderr.lower()
    assert status.returncode == 2
    assert json.loads(status.stdout)["verdict"] == "unknown"
    says = "the run ends with exit 1, `status` says unknown (exit 2); nothing is sent to it"
    faults.show("ssh", "another host key at the guest's address", says, "the operator")
