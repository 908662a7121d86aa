"""The guard's states: what it does to pf, to the daemons and to the guest, and what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clawkeep.onhost import paths, verdicts
from clawkeep.onhost.guard import GRACE_S, Guard
from clawkeep.onhost.running import FAILED_S, OFTEN_S, SHUTDOWN_S
from clawkeep.onhost.situation import situation
from clawkeep.policy import Door, grants_text
from clawkeep.render import anchor as render
from tests.unit.guard.host import GUEST, NAS, SHARING, STOCK, VAULT, Host


class Asked:
    """A request, and its answer."""

    def __init__(self, ask: str, guest: str = "keep") -> None:
        self.ask, self.guest = ask, guest
        self.connection: Any = None
        self.ok: bool | None = None
        self.why = ""

    def answer(self, *, ok: bool, why: str = "") -> None:
        self.ok, self.why = ok, why


def ask(guard: Guard, what: str, guest: str = "keep") -> Asked:
    request = Asked(what, guest)
    guard.serve(request)  # type: ignore[arg-type]
    return request


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


def off(host: Host) -> None:
    host.pf.enabled, host.pf.tokens = False, []


def no_main(host: Host) -> None:
    host.pf.main = ()


def another_main(host: Host) -> None:
    host.pf.main = ("pass in quick all", *STOCK[1:])


def no_doors(host: Host) -> None:
    del host.pf.anchors[render.ANCHOR]


def no_wall(host: Host) -> None:
    del host.pf.anchors[render.WALL]


def other_doors(host: Host) -> None:
    host.pf.anchors[render.ANCHOR] = "pass quick all"


def other_everything(host: Host) -> None:
    off(host)
    no_main(host)
    host.pf.anchors = {render.ANCHOR: "pass quick all", render.WALL: "pass quick all"}
    paths.ANCHOR_FILE.write_text("pass quick all\n")


@pytest.mark.parametrize("fault", [off, no_main, no_doors, no_wall, other_doors, other_everything])
def test_what_was_lost_is_back_within_two_looks_and_no_state_is_left(
    opened: Host, fault: Any
) -> None:
    guard = opened.guard()
    right = opened.doors
    fault(opened)
    opened.pass_time(guard, 2)
    assert (opened.doors, opened.pf.anchors[render.WALL]) == (right, render.wall())
    assert opened.pf.enabled
    assert STOCK[1] in opened.pf.main
    assert opened.pf.killed[:2] == [GUEST, f"0.0.0.0/0 {GUEST}"]
    assert len(opened.events("repaired")) == 1
    assert guard.record.state == "open"
    assert paths.ANCHOR_FILE.read_text() == right


def test_a_rule_file_that_somebody_wrote_is_never_loaded(opened: Host) -> None:
    guard = opened.guard()
    right = opened.doors
    paths.ANCHOR_FILE.write_text("pass quick all\n")
    opened.pf.changes.clear()
    opened.pass_time(guard, 1)
    assert (opened.pf.changes, paths.ANCHOR_FILE.read_text()) == ([], right)


def test_a_rule_before_ours_is_found_by_the_proof_and_closes(opened: Host) -> None:
    guard = opened.guard()
    another_main(opened)
    opened.pass_time(guard, 1)
    assert guard.record.state == "failed"
    assert "what pf lets pass is not what is declared: passes and must not" in guard.record.why
    assert opened.doors == render.deny_all()
    assert opened.served[-1] is None


def test_an_anchor_that_comes_before_ours_counts_by_what_it_lets_pass(opened: Host) -> None:
    guard = opened.guard()
    opened.pf.anchors["com.apple/000.aaa"] = "block drop in quick on en7 all"
    guard.check("due")
    assert guard.record.state == "open"
    opened.pf.anchors["com.apple/000.aaa"] = "pass in quick on bridge100 inet proto udp all"
    guard.check("due")
    assert guard.record.state == "failed"


def test_a_pf_conf_without_our_reference_keeps_its_rules_and_gets_the_line(opened: Host) -> None:
    guard = opened.guard()
    opened.pf.conf = "pass all\n"
    no_main(opened)
    opened.pass_time(guard, 1)
    assert guard.record.state == "open"
    assert [change for change in opened.pf.changes if change.startswith("-f")][-1] == "-f -"


def test_a_token_that_somebody_released_is_taken_anew_and_none_is_leaked(opened: Host) -> None:
    guard = opened.guard()
    opened.pf.tokens = ["9"]
    guard.check("due")
    guard.check("due")
    assert opened.pf.tokens == ["9", paths.TOKEN.read_text().strip()]


def test_a_pf_that_refuses_is_failed_and_the_guest_does_not_stay(opened: Host) -> None:
    guard = opened.guard()
    opened.pf.refuses = "syntax error"
    other_doors(opened)
    opened.pass_time(guard, 2)
    assert (guard.record.state, opened.served[-1]) == ("failed", None)
    assert "syntax error" in opened.events("failed")[0]
    assert opened.signals == []
    opened.pass_time(guard, FAILED_S + 3)
    assert opened.signals == ["gui/501/com.nanoclaw.vm"]
    assert not ask(guard, "start").ok
    opened.pf.refuses = ""
    opened.pf.killed.clear()
    opened.pass_time(guard, 3)
    assert guard.record.state == "open"
    assert opened.pf.killed[:2] == [GUEST, f"0.0.0.0/0 {GUEST}"]


def test_a_disk_that_is_full_keeps_no_rule_from_closing(
    opened: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = opened.guard()
    other_everything(opened)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clawkeep.onhost.store.write", full)
    opened.pass_time(guard, 2)
    assert guard.record.state == "failed"
    assert "No space left" in guard.record.why
    assert opened.doors == render.deny_all()
    assert opened.pf.anchors[render.WALL] == render.wall()
    monkeypatch.undo()


def test_whatever_goes_wrong_in_a_daemon_the_guard_closes_and_goes_on(
    opened: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = opened.guard()
    monkeypatch.setattr("clawkeep.onhost.daemons.refresh", lambda *_: 1 / 0)
    opened.declare(doors=(NAS, VAULT))
    opened.pass_time(guard, 1)
    assert guard.record.state == "failed"
    assert opened.doors == render.deny_all()
    monkeypatch.setattr("clawkeep.onhost.daemons.refresh", opened.refresh)
    opened.pass_time(guard, 3)
    assert guard.record.state == "open"


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


# --- what the owner asks


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


# --- the canary


LEAK = ("internet 1.1.1.1:443/tcp",)


def test_an_unexplained_leak_cuts_the_guest_off_for_good(opened: Host) -> None:
    guard = opened.guard()
    opened.clock.now += 30
    opened.canary("red", leaks=LEAK)
    opened.pass_time(guard, 1)
    assert guard.record.state == "cut"
    assert opened.doors == render.kill_switch()
    assert opened.pf.killed == [GUEST, f"0.0.0.0/0 {GUEST}"]
    assert opened.served[-1] is None
    assert opened.events("closed") == [f"cut for {GUEST} on bridge100: {LEAK[0]} got through"]
    opened.clock.now += 30
    opened.canary("green")
    opened.pass_time(guard, 60)
    assert guard.record.state == "cut"
    opened.pass_time(guard, GRACE_S)
    assert opened.signals == ["gui/501/com.nanoclaw.vm"]
    opened.start()
    ask(guard, "ended")
    refused = ask(guard, "start")
    assert not refused.ok
    assert refused.why.endswith("clawkeep enforce --reopen")
    paths.CUT.unlink()
    assert ask(guard, "start").ok


def test_a_guest_that_is_cut_off_stays_so_over_a_reboot(opened: Host) -> None:
    guard = opened.guard()
    opened.clock.now += 30
    opened.canary("red", leaks=LEAK)
    opened.pass_time(guard, 1)
    paths.ENFORCED.unlink()  # With all else that lies in /var/run.
    opened.pf.anchors, opened.pf.enabled, opened.pf.tokens = {}, False, []
    assert opened.guard().record.state == "cut"
    assert opened.doors == render.kill_switch()


def test_a_leak_that_a_repair_explains_is_over_when_the_canary_says_so(opened: Host) -> None:
    guard = opened.guard()
    opened.clock.now += 30
    no_main(opened)
    opened.pass_time(guard, 2)
    opened.canary("red", leaks=LEAK)
    opened.pass_time(guard, 1)
    assert guard.record.state == "cut"
    opened.clock.now += 20
    opened.canary("red", unable=("no agent",))
    opened.pass_time(guard, 1)
    assert guard.record.state == "cut"
    opened.clock.now += 20
    opened.canary("green")
    opened.pass_time(guard, 1)
    assert guard.record.state == "open"
    assert opened.events("lifted") == ["its cause is gone, and the canary found nothing"]
    # A second one so soon is not explained by the same repair.
    opened.clock.now += 20
    no_main(opened)
    opened.pass_time(guard, 2)
    opened.canary("red", leaks=LEAK)
    opened.pass_time(guard, 1)
    assert json.loads(paths.CUT.read_text())["latched"] is True


def test_a_mute_canary_counts_from_the_second_time(opened: Host) -> None:
    guard = opened.guard()
    opened.clock.now += 30
    opened.canary("red", unable=("tart exec: timeout",))
    opened.pass_time(guard, 1)
    assert guard.record.state == "open"
    opened.clock.now += 30
    opened.canary("red", unable=("tart exec: timeout",))
    opened.pass_time(guard, 1)
    assert guard.record.state == "cut"
    assert opened.doors == render.deny_all()  # Still manageable, by the host's SSH.
    assert "twice in a row: tart exec: timeout" in guard.record.why
    opened.clock.now += 30
    opened.canary("degraded")
    opened.pass_time(guard, 1)
    assert guard.record.state == "open"


def test_one_good_result_between_two_bad_ones_is_enough(opened: Host) -> None:
    guard = opened.guard()
    for verdict, unable in (("red", ("x",)), ("green", ()), ("red", ("x",))):
        opened.clock.now += 30
        opened.canary(verdict, unable=unable)
        opened.pass_time(guard, 1)
    assert guard.record.state == "open"


def test_a_canary_that_never_speaks_cuts_the_guest_off_after_its_boot(opened: Host) -> None:
    guard = opened.guard()
    opened.pass_time(guard, verdicts.BOOT_S)
    assert guard.record.state == "open"
    opened.pass_time(guard, 2 * 30 + 2)
    assert guard.record.state == "cut"
    assert "the canary has said nothing for" in guard.record.why


def test_without_a_canarys_job_nobody_waits_for_it(
    opened: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clawkeep.onhost.evidence.CANARY_JOB", opened.folder / "none")
    guard = opened.guard()
    opened.pass_time(guard, 600, step=10)
    assert guard.record.state == "open"


def test_a_mute_guest_is_restarted_once_in_an_hour_and_then_stays_down(opened: Host) -> None:
    guard = opened.guard()
    for turn in range(2):
        opened.pass_time(guard, verdicts.BOOT_S + 62, step=2)
        assert guard.record.state == "cut"
        opened.pass_time(guard, GRACE_S, step=2)
        assert len(opened.signals) == turn + 1
        opened.start()
        ask(guard, "ended")
        assert ask(guard, "start").ok is (turn == 0)
        opened.start("keep")
        opened.pass_time(guard, 3)
    assert json.loads(paths.CUT.read_text())["latched"] is True
    assert OFTEN_S > 2 * (verdicts.BOOT_S + GRACE_S)


def test_a_guest_that_does_not_go_loses_its_power(opened: Host) -> None:
    guard = opened.guard()
    opened.clock.now += 30
    opened.canary("red", leaks=LEAK)
    opened.pass_time(guard, GRACE_S + 2, step=2)
    assert opened.signals == ["gui/501/com.nanoclaw.vm"]
    opened.pass_time(guard, SHUTDOWN_S + 32, step=2)
    assert opened.signals[1] == "stop keep --timeout 1"


def test_a_guest_without_a_supervisor_loses_its_power_at_once(opened: Host) -> None:
    opened.supervised = False
    guard = opened.guard()
    opened.clock.now += 30
    opened.canary("red", leaks=LEAK)
    opened.pass_time(guard, GRACE_S + 32, step=2)
    assert opened.signals[:2] == ["gui/501/com.nanoclaw.vm", "stop keep --timeout 1"]


def test_a_pf_that_counts_nothing_while_the_bridge_receives_is_blind(opened: Host) -> None:
    guard = opened.guard()
    for _ in range(3):
        opened.clock.now += 30
        opened.received += 1000
        opened.pf.counted["bridge100"] += 1
        guard.check("due")
    assert guard.record.state == "open"
    for _ in range(2):
        opened.clock.now += 30
        opened.received += 1000
        guard.check("due")
    assert guard.record.state == "cut"
    assert "bridge100 received 1000 packets and pf counted none" in guard.record.why


def test_a_quiet_bridge_is_not_blind(opened: Host) -> None:
    guard = opened.guard()
    for _ in range(5):
        opened.clock.now += 30
        opened.received += 20  # ARP
        guard.check("due")
    assert guard.record.state == "open"


def test_routing_that_somebody_turns_on_or_off_is_noted_and_left_alone(opened: Host) -> None:
    guard = opened.guard()
    opened.forwarding = 0
    guard.check("due")
    guard.check("due")
    assert opened.events("forwarding") == [
        "net.inet.ip.forwarding went from 1 to 0 while the guest stayed"
    ]
    # vmnet turns it on and off itself when guests come and go.
    opened.start()
    opened.forwarding = 1
    guard.check("due")
    assert len(opened.events("forwarding")) == 1


def test_a_clock_that_jumps_makes_everything_due(opened: Host) -> None:
    guard = opened.guard()
    guard.check("what the first one wrote is known now")
    checked = guard.checked
    opened.clock.now += 1
    guard.tick()
    assert guard.checked == checked
    guard.offset += 3600
    opened.clock.now += 1
    guard.tick()
    assert guard.checked > checked
