"""What the guard does about what was lost, spoiled or put in its way."""

from __future__ import annotations

from typing import Any

import pytest

from clawkeep.onhost import paths
from clawkeep.onhost.running import FAILED_S
from clawkeep.render import anchor as render
from tests.recording import Faults
from tests.unit.guard.doing import (
    another_main,
    ask,
    no_doors,
    no_main,
    no_wall,
    off,
    other_doors,
    other_everything,
)
from tests.unit.guard.host import GUEST, NAS, STOCK, VAULT, Host


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
    opened: Host, monkeypatch: pytest.MonkeyPatch, faults: Faults
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
    says = "the guard closes all in pf, and says why"
    faults.show("disk-full", "the guard's records", says, "the operator")


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
