"""The bridges of a whole keep: they follow the target and the guest, and never lead to the host."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.doors import gateway, get, receiving
from tests.lab.guarding import wait
from tests.lab.keep import Built
from tests.lab.lan import FEED_PORTS, feed
from tests.recording import Faults

pytestmark = [pytest.mark.lab, pytest.mark.slow]

PORT = FEED_PORTS[0]
SERVICES = """services:
  - {name: feed, port: 19000, target: "10.0.30.99:19000", kind: tcp}
  - {name: stray, port: 18080, target: "stray.lan:80", kind: http}
  - {name: home, port: 18123, target: "10.0.30.5:8123", kind: http}
"""
STRAY_SAYS = "the host nobody may reach\n"


@pytest.fixture(scope="module")
def keep(keep: Built) -> Iterator[Built]:
    keep.allowlist(SERVICES)
    means(keep, "10.0.30.99")
    keep.converge()
    with feed(keep.lab):
        yield keep


def means(keep: Built, address: str) -> None:
    """Let the name stray.lan mean an address on the host."""
    keep.host(
        f"grep -v stray.lan /etc/hosts > /tmp/hosts; echo {address} stray.lan >> /tmp/hosts; "
        "cat /tmp/hosts > /etc/hosts"
    )


def bridges(keep: Built) -> dict[str, dict[str, Any]]:
    """Return `clawkeep bridges --json` by name."""
    data = json.loads(keep.clawkeep("bridges", "--json").stdout)
    return {row["name"]: row for row in data["bridges"]}


def test_every_bridge_is_shown_with_its_listener_as_the_bridge_user(keep: Built) -> None:
    wait("the bridges", lambda: all(row["listening"] for row in bridges(keep).values()), 30)
    found = bridges(keep)
    assert {name: row["listening"] for name, row in found.items()} == {
        "feed": f"{gateway(keep)}:19000",
        "stray": f"{gateway(keep)}:18080",
        "home": f"{gateway(keep)}:18123",
    }
    assert keep.clawkeep("bridges").returncode == 0
    owners = keep.host("ps -axo user,command | grep '[s]ocat -d'").stdout.splitlines()
    assert {line.split()[0][:6] for line in owners} == {"_clawk"}


def test_a_live_connection_is_shown_with_its_peer_and_its_age(keep: Built) -> None:
    before = bridges(keep)["feed"]["accepted"]
    with receiving(keep, PORT):
        row = bridges(keep)["feed"]
        [connection] = row["connections"]
        guest = json.loads(keep.host("cat /var/run/clawkeep/link.json").stdout)["guest"]
        assert connection["peer"].startswith(f"{guest}:")
        assert 0 <= connection["age_s"] < 60
        assert row["accepted"] == before + 1
    assert f"{gateway(keep)}:19000 -> 10.0.30.99:19000" in keep.clawkeep("bridges").stdout


def test_a_bridge_that_does_not_run_is_said_and_comes_back(keep: Built) -> None:
    label = "com.nanoclaw.bridge.home"
    keep.host(f"launchctl bootout system/{label}")
    wait("the end of the bridge", lambda: not bridges(keep)["home"]["listening"], 5)
    done = keep.clawkeep("bridges")
    assert (done.returncode, "home: not listening (job absent)" in done.stdout) == (1, True)
    keep.converge("--data", "phase=network")
    wait("the bridge", lambda: bridges(keep)["home"]["listening"], 30)


def test_a_name_that_comes_to_mean_the_host_is_no_way_to_it(keep: Built) -> None:
    """With socat resolving by itself, the guest would read what the host serves to itself."""
    assert get(keep, 18080) == STRAY_SAYS
    server = "python3 -m http.server 80 --bind 127.0.0.1 --directory /etc/ssl"
    keep.host(f"/opt/clawkeep/{server.replace('python3', 'python/bin/python3')} >/dev/null 2>&1 &")
    wait(
        "the host's own server",
        lambda: keep.host("curl -sS -m 2 http://127.0.0.1/").returncode == 0,
        5,
    )
    means(keep, "127.0.0.1")
    try:
        wait("a closed door", lambda: get(keep, 18080) == "curl 7", 60)
        words = bridges(keep)["stray"]["last_words"]
        assert words.endswith(
            "target stray.lan is 127.0.0.1: the host's own loopback; no bridge leads there"
        )
    finally:
        means(keep, "10.0.30.99")
    wait("the door", lambda: get(keep, 18080) == STRAY_SAYS, 60)


def test_another_target_restarts_its_bridge_and_no_other(keep: Built) -> None:
    before = {name: row["pid"] for name, row in bridges(keep).items()}
    with receiving(keep, PORT) as transfer:
        keep.allowlist(SERVICES.replace("10.0.30.5:8123", "10.0.30.99:80"))
        keep.converge("--data", "phase=network")
        assert not transfer.ended
    wait("the door", lambda: get(keep, 18123) == STRAY_SAYS, 30)
    after = {name: row["pid"] for name, row in bridges(keep).items()}
    assert {name for name in after if after[name] != before[name]} == {"home"}


def test_a_service_that_leaves_the_allowlist_ends_its_transfer(keep: Built) -> None:
    with receiving(keep, PORT) as transfer:
        keep.allowlist("".join(line for line in SERVICES.splitlines(True) if "feed" not in line))
        keep.converge("--data", "phase=network")
        wait("the end of the transfer", lambda: transfer.ended, 10)
    assert set(bridges(keep)) == {"stray", "home"}
    assert keep.host("ls /Library/LaunchDaemons | grep feed").stdout == ""
    assert keep.host(f"lsof -nP -iTCP@{gateway(keep)}:{PORT}").returncode == 1


def test_without_a_guest_nothing_listens_and_nothing_is_started_again_and_again(
    keep: Built, faults: Faults
) -> None:
    runs = "launchctl print system/com.nanoclaw.bridge.home | grep 'runs ='"
    assert keep.clawkeep("vm", "stop").returncode == 0
    wait(
        "the guest's end",
        lambda: keep.host("test -e /var/run/clawkeep/link.json").returncode == 1,
        60,
    )
    wait(
        "the end of the bridges",
        lambda: "socat" not in keep.host("lsof -nP -iTCP -sTCP:LISTEN").stdout,
        30,
    )
    assert bridges(keep)["home"]["last_words"].endswith("home: waits for a guest")
    before = keep.host(runs).stdout
    time.sleep(12)
    assert keep.host(runs).stdout == before
    says = "the bridges wait for it (`clawkeep bridges`); nothing listens, nothing is retried"
    faults.show("bridge100", "it is missing: no guest runs", says, "the guard")
    agent = "/Users/operator/Library/LaunchAgents/com.nanoclaw.vm.plist"
    assert keep.host(f"launchctl bootstrap gui/501 {agent}").returncode == 0
    wait("the guest", lambda: keep.host("test -e /var/run/clawkeep/link.json").returncode == 0, 60)
    wait("the bridges", lambda: all(row["listening"] for row in bridges(keep).values()), 30)
    assert get(keep, 18080) == STRAY_SAYS
