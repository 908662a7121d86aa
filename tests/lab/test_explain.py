"""`clawkeep explain` on a keep: what it says is what packets do, and it sees what was spoiled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.guarding import wait
from tests.lab.keep import GUEST, Built
from tests.lab.probes import Probe, probe

pytestmark = pytest.mark.lab

GATEWAY = "192.168.64.1"

#: What is asked, and the probe that shows it with packets. In this order both walls are met.
FLOWS: dict[str, Probe] = {
    "vaultwarden": ("tcp", [GATEWAY, 18443]),
    "gateway:53/udp": ("dns", [GATEWAY, "udp"]),
    "host:22/tcp": ("tcp", ["10.0.10.2", 22]),
    "1.1.1.1:443/tcp": ("tcp", ["1.1.1.1", 443]),
    "bitwarden.cstrube.de:18443": ("name", ["bitwarden.cstrube.de", 18443]),
}
MORE: dict[str, Probe] = {
    "truenas-ssh": ("tcp", [GATEWAY, 18022, True]),
    "gateway:22/tcp": ("tcp", [GATEWAY, 22]),
    "gateway/icmp": ("ping", [GATEWAY]),
    "10.0.30.99/icmp": ("ping", ["10.0.30.99"]),
    "example.com:443/tcp": ("name", ["example.com", 443]),
}


def explain(keep: Built, *words: str) -> tuple[int, dict[str, Any]]:
    done = keep.clawkeep("explain", *words, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def unwatched(keep: Built) -> None:
    """End the guard, which would repair within seconds what these tests spoil."""
    keep.host("launchctl bootout system/com.nanoclaw.guard; sleep 1")


def anchor(keep: Built, name: str) -> str:
    return keep.host(f"/sbin/pfctl -a com.apple/{name} -sr 2>/dev/null").stdout


def load(keep: Built, name: str, rules: str) -> None:
    keep.host(f"printf '%s' '{rules}' | /sbin/pfctl -a com.apple/{name} -f - 2>/dev/null")


@pytest.mark.parametrize(
    "flows", [FLOWS, pytest.param(MORE, marks=pytest.mark.slow)], ids=["some", "more"]
)
def test_what_it_says_is_what_packets_do(keep: Built, flows: dict[str, Probe]) -> None:
    # A door may open some seconds after the guest is up.
    door = {"vaultwarden": FLOWS["vaultwarden"]}
    wait("a door", lambda: probe(keep.lab, GUEST, door)["vaultwarden"], 60)
    packets = probe(keep.lab, GUEST, flows)
    for asked, answered in packets.items():
        status, found = explain(keep, "guest", asked)
        assert (status, found["differences"]) == (0, []), asked
        assert found["allowed"] is answered, asked
    assert set(packets.values()) == {True, False}


def test_the_host_may_open_ssh_into_the_guest_and_nothing_else(keep: Built) -> None:
    assert explain(keep, "host", "guest:22/tcp")[1]["allowed"] is True
    assert explain(keep, "host", "guest:80/tcp")[1]["allowed"] is False
    port22 = keep.host("nc -z -w 3 192.168.64.2 22")
    assert port22.returncode == 0, port22.stderr


@pytest.mark.slow
def test_each_wall_that_falls_is_seen_and_the_packet_follows_the_answer(keep: Built) -> None:
    unwatched(keep)
    doors = anchor(keep, "000.clawkeep")
    wall = anchor(keep, "001.clawkeep-wall")
    assert doors
    assert wall
    one = {"gateway:22/tcp": MORE["gateway:22/tcp"]}
    try:
        load(keep, "001.clawkeep-wall", "")
        status, found = explain(keep, "guest", "gateway:22/tcp")
        assert (status, found["allowed"]) == (1, False)
        assert probe(keep.lab, GUEST, one) == {"gateway:22/tcp": False}
        load(keep, "000.clawkeep", "")
        status, found = explain(keep, "guest", "gateway:22/tcp")
        assert (status, found["allowed"]) == (1, True)
        assert probe(keep.lab, GUEST, one) == {"gateway:22/tcp": True}
    finally:
        load(keep, "001.clawkeep-wall", wall)
        load(keep, "000.clawkeep", doors)
    assert explain(keep, "guest", "gateway:22/tcp")[0] == 0


@pytest.mark.slow
def test_a_pf_that_is_off_is_seen(keep: Built) -> None:
    unwatched(keep)
    keep.host("/sbin/pfctl -d")
    try:
        status, found = explain(keep, "guest", "gateway:22/tcp")
        assert (status, found["allowed"]) == (1, True)
        # Softnet does not need pf.
        status, found = explain(keep, "guest", "10.0.30.99:22/tcp")
        assert (status, found["allowed"]) == (1, False)
    finally:
        keep.host("/sbin/pfctl -E")


@pytest.mark.slow
def test_a_deaf_bridge_is_seen(keep: Built) -> None:
    unwatched(keep)
    keep.host("launchctl bootout system/com.nanoclaw.bridge.truenas-ssh; sleep 1")
    status, found = explain(keep, "guest", "truenas-ssh")
    assert (status, found["allowed"]) == (1, False)
    assert explain(keep, "guest", "vaultwarden")[0] == 0


def test_it_only_looks(keep: Built) -> None:
    before = len(keep.lab.calls())
    explain(keep, "guest", "vaultwarden")
    assert keep.mutations(before) == []


@pytest.mark.slow
def test_without_a_guest_nothing_is_live(keep: Built) -> None:
    unwatched(keep)
    assert keep.clawkeep("vm", "stop").returncode == 0
    status, found = explain(keep, "guest", "gateway:22/tcp")
    assert (status, found["live"]) == (2, None)
    assert "is not running" in " ".join(found["notes"])
