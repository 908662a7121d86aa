"""Both sides of an explanation: what a host has, held against what is declared."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from clawkeep.explain.question import question
from clawkeep.explain.report import Outcome
from clawkeep.explain.sides import online
from clawkeep.explain.walk import walk
from clawkeep.link import EXAMPLE
from clawkeep.policy import Door, Window, grants_text
from clawkeep.render.anchor import ANCHOR, WALL, anchor, deny_all, kill_switch
from clawkeep.survey import Survey
from tests.unit.explain.asking import explain
from tests.unit.explain.hosts import MAIN, NOW, host, keep, opened


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
        found = explain(asked, host(keep()))
        assert (found.outcome, found.differences, found.notes) == (Outcome.AGREED, (), ()), asked


SPOILED: dict[str, dict[str, Any]] = {
    "pf is off": {"info": "Status: Disabled\n"},
    "the main ruleset lost its reference": {"main": MAIN.replace('anchor "com.apple/*" all\n', "")},
    "somebody passes all first": {
        "anchors": {**host(keep()).anchors, "com.apple/000.a": "pass in quick all\n"}
    },
    "pf skips the bridge": {"skips": "lo0 (skip)\nbridge100 (skip)\n"},
    "both anchors are flushed": {"anchors": {**host(keep()).anchors, ANCHOR: "", WALL: ""}},
    "a hand-made door": {
        "anchors": {
            **host(keep()).anchors,
            ANCHOR: "pass in quick on bridge100 inet proto tcp from any to any port = 22\n"
            + anchor(opened(keep()), EXAMPLE),
        }
    },
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_host_that_lets_more_pass_does_not_agree(spoiled: str) -> None:
    found = explain("guest gateway:22/tcp", host(keep(), **SPOILED[spoiled]))
    assert found.declared.allowed is False
    assert found.live is not None
    assert found.live.allowed is True
    assert found.outcome is Outcome.DISAGREED
    assert found.as_json()["allowed"] is True


@pytest.mark.parametrize(("fallen", "words"), [(ANCHOR, "doors alone"), (WALL, "wall alone")])
def test_one_fallen_wall_is_told_although_the_other_still_refuses(fallen: str, words: str) -> None:
    anchors = {name: text for name, text in host(keep()).anchors.items() if name != fallen}
    found = explain("guest gateway:22/tcp", host(keep(), anchors=anchors))
    assert found.live is not None
    assert found.live.allowed is False
    assert found.outcome is Outcome.DISAGREED
    assert words in found.differences[0]


@pytest.mark.parametrize("text", [deny_all(), kill_switch()])
def test_a_closed_door_does_not_agree_either(text: str) -> None:
    anchors = {**host(keep()).anchors, ANCHOR: text}
    found = explain("guest vault", host(keep(), anchors=anchors))
    assert (found.live.allowed if found.live else None, found.outcome) == (False, 1)


def test_a_deaf_bridge_is_told() -> None:
    # 16443 listens on another address than the gateway only.
    found = explain("guest kube", host(keep()))
    assert found.outcome is Outcome.DISAGREED
    assert found.differences == (
        "bridge kube passes as declared, refuses live: nothing listens there at this moment",
    )


def test_softnet_flags_that_were_changed_are_told() -> None:
    run = "tart run --net-softnet-allow=10.0.30.0/24 nanoclaw-vm\n"
    found = explain("guest 10.0.30.20:445", host(keep(), processes=run))
    assert found.outcome is Outcome.DISAGREED
    assert found.differences[0].startswith("Softnet refuses as declared, passes live")


UNREADABLE: dict[str, dict[str, Any]] = {
    "no sudo": {"survey": Survey(), "anchors": {}, "listening": None},
    "no tart run": {"processes": "launchd\n"},
    "flags that are not understood": {
        "processes": "tart run --net-softnet-allow=@lan nanoclaw-vm\n"
    },
    "a rule that is not understood": {
        "anchors": {**host(keep()).anchors, "com.apple/300.x": "match in all\n"}
    },
    "a rule that translates past all others": {
        "nat": "rdr pass on bridge100 inet proto tcp from any to any port = 22 -> 127.0.0.1\n"
    },
    "an anchor of unknown conditions": {
        "anchors": {**host(keep()).anchors, "com.apple/000.a": "pass in quick all user 501\n"}
    },
}


@pytest.mark.parametrize("spoiled", UNREADABLE)
def test_what_cannot_be_read_is_never_agreement(spoiled: str) -> None:
    found = explain("guest gateway:22/tcp", host(keep(), **UNREADABLE[spoiled]))
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
    found = explain("guest vault", host(keep(), **changes))
    assert found.live is None
    assert found.outcome is Outcome.UNKNOWN
    assert why in found.notes[-1]


def test_grants_and_the_window_of_the_host_count_as_declared_while_they_last() -> None:
    grant = Door("debug", 19000, "10.0.30.7", 9000, until=NOW + 60, reason="a look at the printer")
    sides = online(keep(), host(keep(), grants=grants_text([grant])))
    answer = walk(question("guest", "debug", sides.declared.openings.doors), sides.declared)
    assert answer.allowed is True
    assert "a look at the printer" in answer.legs[0].steps[-1].words
    ended = replace(grant, until=NOW)
    later = online(keep(), host(keep(), grants=grants_text([ended])))
    assert [door.name for door in later.declared.openings.doors] == ["vault", "nas", "kube"]
    window = Window(("formulae.brew.sh",), NOW + 60).text()
    inside = online(keep(), host(keep(), window=window)).declared
    asked = question("guest", "formulae.brew.sh:443", ())
    assert walk(asked, inside).allowed is True
    assert walk(asked, online(keep(), host(keep())).declared).allowed is False


def test_without_the_hosts_clock_nothing_that_ends_is_open() -> None:
    grant = Door("debug", 19000, "10.0.30.7", 9000, until=NOW + 60)
    sides = online(keep(), host(keep(), grants=grants_text([grant]), now=""))
    assert all(door.until is None for door in sides.declared.openings.doors)


def test_damaged_grants_open_nothing_and_are_told() -> None:
    found = explain("guest gateway:19000", host(keep(), grants="{"))
    assert found.declared.allowed is False
    assert found.notes[0].startswith("damaged on the host, so it counts for nothing: grants: ")


@pytest.mark.parametrize(
    ("policy", "words"),
    [("", "no policy yet"), ("{}", "policy is damaged"), ("other", "enforces another")],
)
def test_a_host_with_another_policy_is_told(policy: str, words: str) -> None:
    other = host(keep(guest={"user": "someone"})).survey.policy if policy == "other" else policy
    found = explain("guest vault", host(keep(), policy=other))
    assert words in found.notes[0]


def test_a_guest_that_the_guard_cut_off_is_told() -> None:
    anchors = {**host(keep()).anchors, ANCHOR: kill_switch()}
    cut = '{"why": "10.0.30.99:22 answered"}'
    found = explain("guest vault", host(keep(), anchors=anchors, cut=cut))
    assert found.notes == ("the guard has cut the guest off: 10.0.30.99:22 answered",)
    assert found.outcome is Outcome.DISAGREED


def test_every_address_of_the_host_is_asked() -> None:
    two = host(keep()).interfaces + "en1: flags\n\tinet 10.9.9.9 netmask 0xffffff00\n"
    found = explain("guest host:445", host(keep(), interfaces=two))
    assert [str(leg.flow.destination) for leg in found.declared.legs] == ["10.0.10.2", "10.9.9.9"]
    assert found.outcome is Outcome.AGREED


def test_json_is_plain_data_with_both_sides() -> None:
    data = json.loads(json.dumps(explain("guest vault", host(keep())).as_json()))
    assert data["question"] == "guest -> vault:18443/tcp"
    assert (data["allowed"], data["outcome"], data["differences"]) == (True, "agreed", [])
    assert [s["layer"] for s in data["live"]["legs"][0]["steps"]][-1] == "bridge vault"
    assert explain("guest vault").as_json()["live"] is None


def test_nothing_that_the_host_says_reaches_the_terminal_as_a_control() -> None:
    label = 'pass in quick on bridge100 inet all label "\x1b[2J"\n'
    anchors = {**host(keep()).anchors, "com.apple/000.a": label}
    lines = list(explain("guest gateway:22", host(keep(), anchors=anchors)).lines(verbose=True))
    assert any("com.apple/000.a" in line for line in lines)
    assert not any("\x1b" in line for line in lines)
