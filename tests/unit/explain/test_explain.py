"""The way of a flow through the layers, declared and live, and whether both agree."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from clawkeep.explain.flow import Step
from clawkeep.explain.question import question
from clawkeep.explain.report import Explanation, Outcome
from clawkeep.explain.sides import EXAMPLE, offline, online
from clawkeep.explain.survey import Survey
from clawkeep.explain.walk import Leg, walk
from clawkeep.model import Keep
from clawkeep.policy import Door, Window, grants_text
from clawkeep.render.anchor import ANCHOR, WALL, anchor, deny_all, kill_switch
from tests.unit.explain.hosts import MAIN, NOW, keep, opened, survey

DOMAINS = {
    "mode": "domains",
    "domains": [".example.org", "api.example.com"],
    "profiles": ["agent"],
}


def explain(asked: str, found: Survey | None = None, declared: Keep | None = None) -> Explanation:
    declared = declared or keep()
    sides = offline(declared) if found is None else online(declared, found)
    source, destination = asked.split()
    asks = question(source, destination, sides.declared.openings.doors)
    live = None if sides.live is None else walk(asks, sides.live)
    absent = found is not None and sides.live is None
    return Explanation(asks, walk(asks, sides.declared), live, sides.notes, absent)


def leg(asked: str, declared: Keep | None = None) -> Leg:
    return explain(asked, declared=declared).declared.legs[0]


def step(found: Leg, layer: str) -> Step:
    return next(step for step in found.steps if step.layer == layer)


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


def test_a_converged_host_agrees_about_everything_that_is_asked() -> None:
    for asked in (
        "guest vault",
        "guest gateway:22/tcp",
        "guest host:445/tcp",
        "guest internet:443/udp",
        "guest api.example.com:443",
        "guest [2606:4700::1111]:443",
        "guest 192.168.64.9:22",
        "host guest:22",
    ):
        found = explain(asked, survey(keep()))
        assert (found.outcome, found.differences, found.notes) == (Outcome.AGREED, (), ()), asked


SPOILED: dict[str, dict[str, Any]] = {
    "pf is off": {"pf_info": "Status: Disabled\n"},
    "the main ruleset lost its reference": {"main": MAIN.replace('anchor "com.apple/*" all\n', "")},
    "somebody passes all first": {
        "anchors": {**survey(keep()).anchors, "com.apple/000.a": "pass in quick all\n"}
    },
    "both anchors are flushed": {"anchors": {**survey(keep()).anchors, ANCHOR: "", WALL: ""}},
    "a hand-made door": {
        "anchors": {
            **survey(keep()).anchors,
            ANCHOR: "pass in quick on bridge100 inet proto tcp from any to any port = 22\n"
            + anchor(opened(keep()), EXAMPLE),
        }
    },
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_host_that_lets_more_pass_does_not_agree(spoiled: str) -> None:
    found = explain("guest gateway:22/tcp", survey(keep(), **SPOILED[spoiled]))
    assert found.declared.allowed is False
    assert found.live is not None
    assert found.live.allowed is True
    assert found.outcome is Outcome.DISAGREED
    assert found.as_json()["allowed"] is True


@pytest.mark.parametrize(("fallen", "words"), [(ANCHOR, "doors alone"), (WALL, "wall alone")])
def test_one_fallen_wall_is_told_although_the_other_still_refuses(fallen: str, words: str) -> None:
    anchors = {name: text for name, text in survey(keep()).anchors.items() if name != fallen}
    found = explain("guest gateway:22/tcp", survey(keep(), anchors=anchors))
    assert found.live is not None
    assert found.live.allowed is False
    assert found.outcome is Outcome.DISAGREED
    assert words in found.differences[0]


@pytest.mark.parametrize("text", [deny_all(), kill_switch()])
def test_a_closed_door_does_not_agree_either(text: str) -> None:
    anchors = {**survey(keep()).anchors, ANCHOR: text}
    found = explain("guest vault", survey(keep(), anchors=anchors))
    assert (found.live.allowed if found.live else None, found.outcome) == (False, 1)


def test_a_deaf_bridge_is_told() -> None:
    # 16443 listens on another address than the gateway only.
    found = explain("guest kube", survey(keep()))
    assert found.outcome is Outcome.DISAGREED
    assert found.differences == (
        "bridge kube passes as declared, refuses live: nothing listens there at this moment",
    )


def test_softnet_flags_that_were_changed_are_told() -> None:
    run = "tart run --net-softnet-allow=10.0.30.0/24 nanoclaw-vm\n"
    found = explain("guest 10.0.30.20:445", survey(keep(), processes=run))
    assert found.outcome is Outcome.DISAGREED
    assert found.differences[0].startswith("Softnet refuses as declared, passes live")


UNREADABLE: dict[str, dict[str, Any]] = {
    "no sudo": {"pf_info": None, "main": None, "anchors": {}, "listening": None},
    "no tart run": {"processes": "launchd\n"},
    "flags that are not understood": {
        "processes": "tart run --net-softnet-allow=@lan nanoclaw-vm\n"
    },
    "a rule that is not understood": {
        "anchors": {**survey(keep()).anchors, "com.apple/300.x": "match in all\n"}
    },
    "an anchor of unknown conditions": {
        "anchors": {**survey(keep()).anchors, "com.apple/000.a": "pass in quick all user 501\n"}
    },
}


@pytest.mark.parametrize("spoiled", UNREADABLE)
def test_what_cannot_be_read_is_never_agreement(spoiled: str) -> None:
    found = explain("guest gateway:22/tcp", survey(keep(), **UNREADABLE[spoiled]))
    assert found.outcome is Outcome.UNKNOWN
    assert found.summary == "cannot tell how it is live; refused as declared"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"running": False}, "the guest is not running"),
        ({"running": None}, "tart did not answer"),
        ({"address": None}, "nobody knows the guest's address"),
        ({"interfaces": "en0: flags\n"}, "no bridge of the host carries"),
    ],
)
def test_without_a_running_guest_nothing_is_live(changes: dict[str, Any], why: str) -> None:
    found = explain("guest vault", survey(keep(), **changes))
    assert found.live is None
    assert found.outcome is Outcome.UNKNOWN
    assert why in found.notes[-1]


def test_grants_and_the_window_of_the_host_count_as_declared_while_they_last() -> None:
    grant = Door("debug", 19000, "10.0.30.7", 9000, until=NOW + 60, reason="a look at the printer")
    sides = online(keep(), survey(keep(), grants=grants_text([grant])))
    answer = walk(question("guest", "debug", sides.declared.openings.doors), sides.declared)
    assert answer.allowed is True
    assert "a look at the printer" in answer.legs[0].steps[-1].words
    ended = replace(grant, until=NOW)
    later = online(keep(), survey(keep(), grants=grants_text([ended])))
    assert [door.name for door in later.declared.openings.doors] == ["vault", "nas", "kube"]
    window = Window(("formulae.brew.sh",), NOW + 60).text()
    inside = online(keep(), survey(keep(), window=window)).declared
    asked = question("guest", "formulae.brew.sh:443", ())
    assert walk(asked, inside).allowed is True
    assert walk(asked, online(keep(), survey(keep())).declared).allowed is False


def test_without_the_hosts_clock_nothing_that_ends_is_open() -> None:
    grant = Door("debug", 19000, "10.0.30.7", 9000, until=NOW + 60)
    sides = online(keep(), survey(keep(), grants=grants_text([grant]), now=None))
    assert all(door.until is None for door in sides.declared.openings.doors)


def test_damaged_grants_open_nothing_and_are_told() -> None:
    found = explain("guest gateway:19000", survey(keep(), grants="{"))
    assert found.declared.allowed is False
    assert found.notes[0].startswith("damaged on the host, so it counts for nothing: grants: ")


@pytest.mark.parametrize(
    ("policy", "words"),
    [(None, "no policy yet"), ("{}", "policy is damaged"), ("other", "enforces another")],
)
def test_a_host_with_another_policy_is_told(policy: str | None, words: str) -> None:
    other = survey(keep(guest={"user": "someone"})).policy if policy == "other" else policy
    found = explain("guest vault", survey(keep(), policy=other))
    assert words in found.notes[0]


def test_a_guest_that_the_guard_cut_off_is_told() -> None:
    anchors = {**survey(keep()).anchors, ANCHOR: kill_switch()}
    cut = '{"why": "10.0.30.99:22 answered"}'
    found = explain("guest vault", survey(keep(), anchors=anchors, cut=cut))
    assert found.notes == ("the guard has cut the guest off: 10.0.30.99:22 answered",)
    assert found.outcome is Outcome.DISAGREED


def test_every_address_of_the_host_is_asked() -> None:
    two = survey(keep()).interfaces + "en1: flags\n\tinet 10.9.9.9 netmask 0xffffff00\n"
    found = explain("guest host:445", survey(keep(), interfaces=two))
    assert [str(leg.flow.destination) for leg in found.declared.legs] == ["10.0.10.2", "10.9.9.9"]
    assert found.outcome is Outcome.AGREED


def test_json_is_plain_data_with_both_sides() -> None:
    data = json.loads(json.dumps(explain("guest vault", survey(keep())).as_json()))
    assert data["question"] == "guest -> vault:18443/tcp"
    assert (data["allowed"], data["outcome"], data["differences"]) == (True, "agreed", [])
    assert [s["layer"] for s in data["live"]["legs"][0]["steps"]][-1] == "bridge vault"
    assert explain("guest vault").as_json()["live"] is None


def test_nothing_that_the_host_says_reaches_the_terminal_as_a_control() -> None:
    label = 'pass in quick on bridge100 inet all label "\x1b[2J"\n'
    anchors = {**survey(keep()).anchors, "com.apple/000.a": label}
    lines = list(explain("guest gateway:22", survey(keep(), anchors=anchors)).lines(verbose=True))
    assert any("com.apple/000.a" in line for line in lines)
    assert not any("\x1b" in line for line in lines)
