"""What the guard makes of packets: leaks, a canary that is mute, a pf that counts nothing."""

from __future__ import annotations

import json

import pytest

from clawkeep.onhost import paths, verdicts
from clawkeep.onhost.guard import GRACE_S
from clawkeep.onhost.running import OFTEN_S, SHUTDOWN_S
from clawkeep.render import anchor as render
from tests.unit.guard.doing import LEAK, ask, no_main
from tests.unit.guard.host import GUEST, Host


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


@pytest.mark.parametrize("spoken", [True, False])
def test_a_canary_is_not_mute_while_the_mac_sleeps(opened: Host, spoken: bool) -> None:
    guard = opened.guard()
    opened.clock.now += verdicts.BOOT_S
    opened.canary("green")
    opened.pass_time(guard, 40)
    opened.clock.mac_sleeps(8 * 3600)
    # launchd's timer stood still, too: the canary's next run may take half a minute and more.
    opened.pass_time(guard, 70)
    assert guard.record.state == "open"
    if spoken:
        opened.canary("green")
    opened.pass_time(guard, verdicts.STALE_S)
    # But one that does not speak after that is mute, as ever.
    assert guard.record.state == ("open" if spoken else "cut")


def test_a_clock_that_is_set_ahead_makes_no_canary_mute(opened: Host) -> None:
    guard = opened.guard()
    opened.clock.now += verdicts.BOOT_S
    opened.canary("green")
    opened.pass_time(guard, 10)
    opened.clock.set_by = 3600.0
    opened.pass_time(guard, 70)
    assert guard.record.state == "open"
    opened.pass_time(guard, verdicts.STALE_S)
    assert guard.record.state == "cut"


def test_a_guard_that_starts_anew_gives_a_mute_canary_no_second_chance(opened: Host) -> None:
    guard = opened.guard()
    opened.clock.now += verdicts.BOOT_S
    opened.canary("green")
    opened.pass_time(guard, verdicts.STALE_S - 20, step=5)
    assert guard.record.state == "open"
    guard = opened.guard()
    opened.pass_time(guard, 60)
    assert guard.record.state == "cut"


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
    # A guest that ends takes it along a moment before its bridge is gone.
    assert opened.events("forwarding") == []
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
