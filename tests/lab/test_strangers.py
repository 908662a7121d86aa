"""Others on the host who are in the way: of a door's port, the guard's lock, its folder."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.lab.doors import gateway, get
from tests.lab.guarding import events, hammering, happened, is_open, record, wait
from tests.lab.keep import Built

pytestmark = [pytest.mark.lab, pytest.mark.slow]

PYTHON = "/opt/clawkeep/python/bin/python3"
DOORS = "com.apple/000.clawkeep"
HOME = 18123
CANARY = "/Library/LaunchDaemons/com.nanoclaw.canary.plist"


@pytest.fixture(autouse=True)
def _without_canary(keep: Built) -> None:
    # It would find what stands open here, too, and the guard then cuts the guest off for good. Each
    # converge brings it back.
    keep.host(f"launchctl bootout system {CANARY}; rm -f {CANARY}")


def listening(keep: Built, name: str) -> dict[str, Any]:
    data = json.loads(keep.clawkeep("bridges", "--json").stdout)
    return next(row for row in data["bridges"] if row["name"] == name)


def test_a_stranger_at_a_doors_port_is_named_and_his_door_is_shut(keep: Built) -> None:
    """A bridge has ended, and somebody else's program was quicker than the next one."""
    wait("the bridges", lambda: listening(keep, "home-assistant")["listening"], 30)
    before = len(events(keep))
    server = f"{PYTHON} -m http.server {HOME} --bind {gateway(keep)} --directory /etc/ssl"
    keep.host("launchctl bootout system/com.nanoclaw.bridge.home-assistant")
    keep.host(f"sudo -u operator sh -c '{server} >/dev/null 2>&1 & echo $!' > /tmp/stranger")
    wait("the stranger", lambda: keep.host(f"lsof -nP -iTCP:{HOME} -sTCP:LISTEN").stdout, 10)
    # The control: he is whom the guest meets, until somebody looks.
    assert not get(keep, HOME).startswith("curl")
    wait("shut", lambda: happened(keep, "damaged", "door home-assistant: ", before), 60)
    assert get(keep, HOME).startswith("curl")
    assert "home-assistant" not in record(keep)["doors"]
    assert "vaultwarden" in record(keep)["doors"]
    row = listening(keep, "home-assistant")
    assert "user operator" in row["held_by"]["said"]
    assert not row["listening"]
    done = keep.clawkeep("bridges")
    assert (done.returncode, "shut: its port is held by" in done.stdout) == (1, True)
    keep.host("kill $(cat /tmp/stranger)")
    keep.converge("--data", "phase=network")
    wait("open again", lambda: "home-assistant" in record(keep)["doors"])
    assert keep.clawkeep("bridges").returncode == 0


def test_a_lock_that_nobody_gives_back_keeps_nothing_open(keep: Built) -> None:
    hold = (
        "import fcntl, os, sys, time; f = open('/var/run/clawkeep/lock', 'r+');"
        "fcntl.flock(f, fcntl.LOCK_EX); f.truncate(0); f.write('a test (pid 1)'); f.flush();"
        "time.sleep(90)"
    )
    before = len(events(keep))
    keep.host(f'{PYTHON} -I -c "{hold}" >/dev/null 2>&1 & sleep 1')
    with hammering(keep) as tried:
        keep.host(f"echo 'pass quick all' | pfctl -a {DOORS} -f -")
        wait("busy", lambda: happened(keep, "busy", "a test (pid 1)", before), 60)
        wait("closed", lambda: record(keep)["state"] == "failed", 60)
        opened = time.time()
        time.sleep(3)
    assert tried.hits
    assert tried.hits[-1][0] < opened
    wait("open again", lambda: is_open(keep), 180)


def test_a_folder_that_somebody_put_there_is_not_believed(keep: Built) -> None:
    before = len(events(keep))
    keep.host(
        "cp -R /var/run/clawkeep /tmp/theirs; chown -R operator /tmp/theirs;"
        "mv /var/run/clawkeep /tmp/ours; ln -s /tmp/theirs /var/run/clawkeep"
    )
    with hammering(keep) as tried:
        wait("found", lambda: happened(keep, "repaired", "is a link; it is kept as", before), 60)
        wait("open again", lambda: is_open(keep), 60)
    assert tried.hits == []
    assert keep.host("stat -f '%Su %Lp %HT' /var/run/clawkeep").stdout == "root 755 Directory\n"
    owner = "stat -f %Su /var/run/clawkeep/guard.sock"
    wait("the socket", lambda: keep.host(owner).stdout == "operator\n", 20)


def test_nobody_but_an_administrator_becomes_root_by_softnet(keep: Built) -> None:
    softnet = "/opt/clawkeep/libexec/softnet"
    assert keep.host(f"stat -f '%Mp%Lp %Su %Sg' {softnet}").stdout == "4750 root admin\n"
    assert keep.lab.exec("host", [softnet, "--version"], user="operator").returncode == 0
    done = keep.host(f"sudo -u _clawkeep {softnet} --version")
    assert done.returncode != 0
    assert "softnet 0" not in done.stdout
