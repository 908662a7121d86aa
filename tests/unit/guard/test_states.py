"""The guard's states: what it does to pf, to the daemons and to the guest, and what it says."""

from __future__ import annotations

import json

import pytest

from clawkeep.onhost import paths
from clawkeep.onhost.situation import situation
from clawkeep.policy import Door, grants_text
from clawkeep.render import anchor as render
from tests.unit.guard.doing import ask, no_main
from tests.unit.guard.host import GUEST, NAS, SHARING, STOCK, VAULT, Host


def test_a_host_without_a_guest_is_closed_by_both_anchors(host: Host) -> None:
    guard = host.guard()
    assert guard.record.state == "closed"
    assert host.pf.anchors == {render.ANCHOR: render.deny_all(), render.WALL: render.wall()}
    assert (host.pf.enabled, len(host.pf.tokens)) == (True, 1)
    assert host.served == [None]
    assert not paths.LINK.exists()


def test_a_check_that_finds_all_as_it_must_be_changes_nothing(opened: Host) -> None:
    guard = opened.guard()
    opened.pf.changes.clear()
    record = paths.ENFORCED.read_bytes()
    for _ in range(5):
        guard.check("again")
    assert opened.pf.changes == []
    assert paths.ENFORCED.read_bytes() == record
    assert len(opened.events("opened", "closed", "repaired", "changed")) == 1


def test_a_guest_gets_its_doors_once_its_agent_says_where_it_is(host: Host) -> None:
    guard = host.guard()
    host.start("keep")
    host.address = ""
    host.pass_time(guard, 10)
    assert guard.record.state == "closed"
    host.address = GUEST
    host.pass_time(guard, 3)
    assert guard.record.state == "open"
    assert host.doors == render.anchor(situation().openings, host.served[-1])  # type: ignore[arg-type]
    assert json.loads(paths.LINK.read_text())["guest"] == GUEST
    assert host.events("opened") == [f"open for {GUEST} on bridge100: nas"]


def test_a_guest_that_is_gone_leaves_nothing_to_whoever_gets_its_address(opened: Host) -> None:
    guard = opened.guard()
    opened.start("stranger")
    opened.bridge = ("bridge100", "192.168.64.1", "0xffffff00")
    assert ask(guard, "ended").ok
    assert opened.doors == render.deny_all()
    assert opened.pf.killed == [GUEST, f"0.0.0.0/0 {GUEST}"]
    assert opened.served[-1] is None
    opened.pass_time(guard, 40)
    assert guard.record.state == "closed"
    assert opened.doors == render.deny_all()


def test_a_bridge_that_vanishes_closes_without_anybody_saying_so(opened: Host) -> None:
    guard = opened.guard()
    opened.start()
    opened.pass_time(guard, 1)
    assert guard.record.state == "closed"
    assert GUEST in opened.pf.killed


def test_another_gateway_moves_everything(opened: Host) -> None:
    guard = opened.guard()
    opened.bridge, opened.address = ("bridge101", "192.168.65.1", "0xfffffffc"), "192.168.65.2"
    opened.pass_time(guard, 1)
    assert guard.record.link == {
        "bridge": "bridge101", "gateway": "192.168.65.1", "prefix": "30", "guest": "192.168.65.2"
    }  # fmt: skip
    assert "from 192.168.65.2 to 192.168.65.1 port = 18022" in opened.doors
    assert opened.pf.killed == [GUEST, f"0.0.0.0/0 {GUEST}"]
    assert str(opened.served[-1].gateway) == "192.168.65.1"  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["no answer", "tart hangs"])
def test_a_busy_guest_keeps_its_doors_while_its_bridge_stands(opened: Host, how: str) -> None:
    guard = opened.guard()
    opened.address, opened.fails = ("", "") if how == "no answer" else (GUEST, "tart")
    opened.pass_time(guard, 61)
    assert guard.record.state == "open"
    opened.bridge = ("bridge101", "192.168.65.1", "0xffffff00")
    opened.pass_time(guard, 1)
    assert guard.record.state == "closed"


def test_an_address_that_is_on_no_bridge_of_a_guest_opens_nothing(host: Host) -> None:
    host.start("keep")
    host.address = "10.0.10.2"
    assert host.guard().record.state == "closed"


@pytest.mark.parametrize("text", ["", "{", '{"format": 1}', "[]", '{"format": 2}'])
def test_a_policy_that_makes_no_sense_opens_nothing(opened: Host, text: str) -> None:
    guard = opened.guard()
    paths.POLICY.write_text(text)
    opened.pass_time(guard, 1)
    assert guard.record.state == "closed"
    assert opened.doors == render.deny_all()
    assert len(opened.events("damaged")) == 1
    assert not ask(guard, "start").ok


def test_a_grant_opens_its_door_and_its_end_closes_it_to_the_second(opened: Host) -> None:
    guard = opened.guard()
    grant = Door("extra", 20001, "10.0.30.9", 80, until=opened.clock.now + 5.5, reason="a look")
    paths.GRANTS.write_text(grants_text([grant]))
    opened.pass_time(guard, 1)
    assert "svc-extra" in opened.doors
    opened.pass_time(guard, 3)
    assert "svc-extra" in opened.doors
    opened.pass_time(guard, 2)
    assert "svc-extra" not in opened.doors
    assert opened.events("changed") == ["doors: +extra", "doors: -extra"]
    assert opened.pf.killed == []  # Its bridge's end is the end of its flows.


def test_grants_that_make_no_sense_grant_nothing_and_the_doors_stay(opened: Host) -> None:
    guard = opened.guard()
    right = opened.doors
    paths.GRANTS.write_text("{")
    opened.pass_time(guard, 1)
    assert (opened.doors, guard.record.state) == (right, "open")
    assert len(opened.events("damaged")) == 1


def test_a_door_that_comes_or_goes_cuts_no_other_doors_connection(opened: Host) -> None:
    guard = opened.guard()
    opened.declare(doors=(NAS, VAULT))
    opened.pass_time(guard, 1)
    opened.declare(doors=(VAULT,))
    opened.pass_time(guard, 1)
    assert "svc-nas" not in opened.doors
    assert opened.pf.killed == []


def test_a_network_that_is_no_longer_declared_loses_its_states_and_no_other(opened: Host) -> None:
    opened.egress("1.1.1.0/24", "8.8.8.8")
    opened.pf.main = (*STOCK, SHARING)
    guard = opened.guard()
    opened.egress("8.8.8.8")
    opened.pass_time(guard, 1)
    assert opened.pf.killed == [f"{GUEST} 1.1.1.0/24"]


def test_a_guest_with_networks_is_restarted_when_its_nat_is_lost(opened: Host) -> None:
    opened.egress("8.8.8.8")
    opened.pf.main = (*STOCK, SHARING)
    guard = opened.guard()
    opened.pf.main = STOCK
    opened.pass_time(guard, 40)
    assert opened.signals == ["gui/501/com.nanoclaw.vm"]
    assert len(opened.events("restarted")) == 1


def test_a_guest_without_networks_needs_no_nat(opened: Host) -> None:
    guard = opened.guard()
    no_main(opened)
    opened.pass_time(guard, 40)
    assert opened.signals == []


def test_a_guest_starts_behind_a_closed_bridge_only(opened: Host) -> None:
    guard = opened.guard()
    request = ask(guard, "start")
    assert (request.ok, request.why) == (True, "")
    assert opened.doors == render.deny_all()
    assert guard.record.state == "closed"


def test_only_the_keeps_guest_is_spoken_for(opened: Host) -> None:
    guard = opened.guard()
    request = ask(guard, "ended", "stranger")
    assert (request.ok, guard.record.state) == (False, "open")


def test_a_check_says_what_is_in_force(opened: Host) -> None:
    guard = opened.guard()
    request = ask(guard, "check")
    assert (request.ok, request.why) == (True, f"open for {GUEST} on bridge100: nas")
