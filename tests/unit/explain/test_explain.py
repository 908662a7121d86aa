"""The way of a flow through the layers, as declared."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from clawkeep.link import EXAMPLE
from clawkeep.render.anchor import ANCHOR
from tests.unit.explain.asking import explain, leg, step
from tests.unit.explain.hosts import keep

DOMAINS = {
    "mode": "domains",
    "domains": [".example.org", "api.example.com"],
    "profiles": ["agent"],
}


@pytest.mark.parametrize(
    ("asked", "allowed", "softnet", "pf"),
    [
        ("guest vault", True, "passes", "passes"),
        ("guest gateway:18022/tcp", True, "passes", "passes"),
        ("guest gateway:18022/udp", False, "passes", "refuses"),
        ("guest gateway:22/tcp", False, "passes", "refuses"),
        ("guest gateway:3128/tcp", False, "passes", "refuses"),
        ("guest gateway/icmp", False, "passes", "refuses"),
        ("guest gateway:53/udp", False, "passes", "refuses"),
        ("guest host:445/tcp", False, "refuses", "refuses"),
        ("guest internet:443/tcp", False, "refuses", "refuses"),
        ("guest 10.0.30.20:22/tcp", False, "refuses", "refuses"),
        ("guest 10.0.30.99/icmp", False, "refuses", "refuses"),
        ("guest 224.0.0.251:5353/udp", False, "refuses", "refuses"),
        ("guest [2606:4700::1111]:443/tcp", False, "refuses", "refuses"),
        ("guest fe80::1/icmp6", False, "refuses", "refuses"),
        ("guest 255.255.255.255:67/udp", True, "passes", "passes"),
        ("guest gateway:67/udp", True, "passes", "passes"),
        ("guest 1.1.1.1:67/udp", False, "refuses", "refuses"),
        ("host guest:22/tcp", True, "passes", "passes"),
        ("host guest:80/tcp", False, "passes", "refuses"),
        ("host guest/icmp", False, "passes", "refuses"),
        ("10.0.30.5 guest:22/tcp", False, "passes", "refuses"),
    ],
)
def test_a_closed_keep_lets_its_doors_pass_and_nothing_else(
    asked: str, allowed: bool, softnet: str, pf: str
) -> None:
    answer = explain(asked).declared
    assert answer.allowed is allowed
    assert step(answer.legs[0], "Softnet").says == softnet
    assert step(answer.legs[0], "pf").says == pf


def test_the_deciding_rule_and_flag_are_named() -> None:
    door = leg("guest vault")
    assert step(door, "Softnet").by == "--net-softnet-allow=@host"
    assert step(door, "pf").by.startswith(f"{ANCHOR} line ")
    assert step(door, "pf").by.endswith('label "clawkeep-svc-vault"')
    assert step(door, "pf").words == "the doors' anchor: the door of vault"
    assert "vault.example.net:443" in step(door, "bridge vault").words
    denied = leg("guest gateway:22/tcp")
    assert 'block return in quick on bridge100 inet all label "clawkeep-deny4"' in (
        step(denied, "pf").by
    )


def test_a_refusal_is_refused_by_each_wall_alone() -> None:
    denied = leg("guest gateway:22/tcp")
    assert [step(denied, f"pf, {wall} alone").says for wall in ("doors", "wall")] == ["refuses"] * 2
    door = leg("guest vault")
    assert step(door, "pf, wall alone").says == "refuses"
    assert door.says == "passes"


def test_another_guest_is_kept_apart_by_the_bridge_and_not_by_pf() -> None:
    layers = [s.layer for s in leg("guest 192.168.64.7:22/tcp").steps]
    assert layers == ["Softnet", "bridge"]
    assert leg("guest 192.168.64.7:22/tcp").says == "refuses"


def test_a_target_asked_for_directly_points_to_its_door() -> None:
    answer = explain("guest 10.0.30.20:22/tcp").declared
    assert answer.allowed is False
    assert answer.notes[0].startswith("the door nas leads there: the guest asks for gateway:18022")
    assert explain("guest 10.0.30.20:23/tcp").declared.notes == ()


def test_a_bridged_name_is_the_gateway() -> None:
    assert explain("guest vault.example.net:18443").declared.allowed is True
    wrong = explain("guest vault.example.net:443").declared
    assert wrong.allowed is False
    assert wrong.notes == ("the door to vault.example.net is its port 18443",)
    assert wrong.legs[0].flow.destination == EXAMPLE.gateway


def test_a_name_needs_dns_and_then_its_address_and_is_never_looked_up() -> None:
    answer = explain("guest api.example.com:443").declared
    assert [str(found.flow) for found in answer.legs] == [
        "192.168.64.2 -> 192.168.64.1:53/udp",
        "192.168.64.2 -> 1.1.1.1:443/tcp",
    ]
    assert answer.allowed is False


@pytest.mark.parametrize(
    ("name", "says", "by"),
    [
        ("api.example.com:443", "passes", "api.example.com"),
        ("www.example.org:443", "passes", ".example.org"),
        ("example.org:443", "passes", ".example.org"),
        ("api.anthropic.com:443", "passes", "api.anthropic.com"),
        ("www.example.com:443", "refuses", "not listed"),
        ("notexample.org:443", "refuses", "not listed"),
        ("api.example.com:80", "refuses", "port 80"),
        ("api.example.com:22", "refuses", "port 22"),
        ("api.example.com:443/udp", "refuses", "protocol"),
    ],
)
def test_with_domains_the_proxys_list_decides(name: str, says: str, by: str) -> None:
    found = leg(f"guest {name}", keep(egress=DOMAINS))
    assert (step(found, "proxy list").says, step(found, "proxy list").by) == (says, by)
    assert step(found, "pf").words.endswith("the guest may speak to the proxy on the gateway")
    assert found.says == says


def test_plain_http_is_carried_where_it_is_declared() -> None:
    assert leg("guest api.example.com:80", keep(egress=DOMAINS | {"http": True})).says == "passes"


def test_with_networks_the_listed_ports_of_listed_networks_pass_both_walls() -> None:
    declared = keep(egress={"mode": "cidrs", "cidrs": ["140.82.112.0/20"], "ports": [22, 443]})
    assert leg("guest 140.82.113.3:22", declared).says == "passes"
    assert leg("guest 140.82.113.3:80", declared).decider.layer == "pf"  # type: ignore[union-attr]
    assert leg("guest 140.82.128.1:443", declared).decider.layer == "Softnet"  # type: ignore[union-attr]


def test_the_internet_is_an_address_that_no_declared_network_holds() -> None:
    declared = keep(egress={"mode": "cidrs", "cidrs": ["1.1.1.0/24", "8.0.0.0/8"]})
    assert leg("guest internet:443", declared).flow.destination == IPv4Address("9.9.9.9")
    assert leg("guest internet:443", declared).says == "refuses"
