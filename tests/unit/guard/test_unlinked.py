"""A guest that runs and of which nobody can tell where it is: it has no door, and no time."""

from __future__ import annotations

import json

import pytest

from clawkeep.onhost import paths
from clawkeep.onhost.guard import GRACE_S
from clawkeep.onhost.verdicts import BOOT_S, STALE_S, Judge
from clawkeep.render import anchor as render
from tests.unit.guard.doing import ask
from tests.unit.guard.host import GUEST, Host

WAIT_S = BOOT_S + STALE_S


def test_only_time_tells_a_boot_from_a_guest_that_hides() -> None:
    judge = Judge()
    assert judge.lost(True, "no agent", now=1000) is None
    assert judge.lost(True, "no agent", now=1000 + WAIT_S) is None
    found = judge.lost(True, "no agent", now=1001 + WAIT_S)
    assert found is not None
    assert (found.cause, found.latched, found.since) == ("unable", False, 1001 + WAIT_S)
    assert found.why.endswith("nobody can tell where: no agent")


@pytest.mark.parametrize(
    ("said", "cut"),
    [
        ([True, None, None], True),  # A tart that hangs leaves it at what it said last.
        ([None, None, None], False),
        ([True, False, True], False),
        ([True, True, False], False),
    ],
)
def test_what_tart_says_counts_and_its_silence_changes_nothing(
    said: list[bool | None], cut: bool
) -> None:
    judge = Judge()
    found = [judge.lost(runs, "", now=n * (WAIT_S + 1.0)) for n, runs in enumerate(said, 1)]
    assert (found[-1] is not None) is cut


@pytest.mark.parametrize("address", ["10.0.10.2", "", "192.168.64.1", "nonsense"])
def test_a_guest_that_hides_its_address_is_cut_off_and_then_stopped(
    host: Host, address: str
) -> None:
    host.start("keep")
    host.address = address
    guard = host.guard()
    host.pass_time(guard, WAIT_S - 5)
    assert (guard.record.state, host.signals) == ("closed", [])
    host.pass_time(guard, 20)
    assert guard.record.state == "cut"
    assert host.doors == render.deny_all()  # The host's SSH still gets in.
    assert len(host.events("closed")) == 2  # closed, then cut
    host.pass_time(guard, GRACE_S + 5)
    assert host.signals == ["gui/501/com.nanoclaw.vm"]


def test_a_guest_that_was_linked_and_then_lies_is_no_better(opened: Host) -> None:
    guard = opened.guard()
    opened.address = "10.0.10.2"
    opened.pass_time(guard, WAIT_S + 60, step=2)
    assert guard.record.state == "cut"


def test_it_is_restarted_once_and_the_second_time_stays_down(host: Host) -> None:
    host.start("keep")
    host.address = ""
    guard = host.guard()
    for turn in range(2):
        host.pass_time(guard, WAIT_S + GRACE_S + 40, step=2)
        assert len(host.signals) == turn + 1
        host.start()
        ask(guard, "ended")
        assert ask(guard, "start").ok is (turn == 0)
        host.start("keep")
        host.pass_time(guard, 3)
    assert json.loads(paths.CUT.read_text())["latched"] is True


def test_somebody_elses_guest_on_the_bridge_is_nothing_to_us(host: Host) -> None:
    host.start("stranger")
    guard = host.guard()
    host.pass_time(guard, 3 * WAIT_S, step=5)
    assert (guard.record.state, host.signals) == ("closed", [])
    assert ask(guard, "start").ok


def test_an_agent_that_answers_late_is_in_time(host: Host) -> None:
    host.start("keep")
    host.address = ""
    guard = host.guard()
    host.pass_time(guard, WAIT_S - 20)
    host.address = GUEST
    host.pass_time(guard, 30)
    assert guard.record.state == "open"
    host.canary("green")
    host.pass_time(guard, 60)
    assert guard.record.state == "open"


def test_one_that_is_found_after_all_gets_its_doors_when_the_canary_is_content(host: Host) -> None:
    host.start("keep")
    host.address = ""
    guard = host.guard()
    host.pass_time(guard, WAIT_S + 20)
    assert guard.record.state == "cut"
    host.address = GUEST
    host.pass_time(guard, 40)
    assert guard.record.state == "cut"
    host.canary("degraded")
    host.pass_time(guard, 2)
    assert guard.record.state == "open"


def test_a_cut_lasts_while_tart_does_not_say_that_the_guest_is_gone(host: Host) -> None:
    host.start("keep")
    host.address = ""
    guard = host.guard()
    host.pass_time(guard, WAIT_S + 20)
    host.fails = "tart"
    host.pass_time(guard, 40)
    assert guard.record.state == "cut"
    assert host.events("lifted") == []
