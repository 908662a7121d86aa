"""What takes a guest's packets past all rules: translation, `set skip`, a bridge nobody names."""

from __future__ import annotations

import pytest

from clawkeep.onhost import paths
from clawkeep.onhost.guard import FULL_S
from clawkeep.render import anchor as render
from tests.unit.guard.doing import ask
from tests.unit.guard.host import NAT, Host

SHARING = "com.apple.internet-sharing"
MACS_OWN = {
    "": (*NAT, f'nat-anchor "{SHARING}" all', f'rdr-anchor "{SHARING}" all'),
    SHARING: ('nat-anchor "shared_v4" all', 'rdr-anchor "shared_v4" all'),
    f"{SHARING}/shared_v4": (
        "nat on en0 inet from 192.168.64.0/24 to any -> (en0:0) extfilter ei",
        "no nat on bridge100 inet from 192.168.64.1 to 192.168.64.0/24",
        "rdr on bridge100 inet proto tcp from any to any port = 21 -> 127.0.0.1 port 8021",
    ),
}
PASSES = "rdr pass on bridge100 inet proto tcp from any to any port = 9 -> 127.0.0.1 port 22"


def test_what_macos_itself_translates_and_skips_is_no_alarm(opened: Host) -> None:
    opened.pf.nat = dict(MACS_OWN)
    guard = opened.guard()
    opened.pass_time(guard, 2 * FULL_S)
    assert guard.record.state == "open"
    assert opened.events("failed") == []


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        ("", PASSES),
        ("com.apple/vpn", PASSES),
        (f"{SHARING}/shared_v4", PASSES),
        ("", "rdr pass inet proto tcp from any to any port = 9 -> 127.0.0.1 port 22"),
        ("", "rdr on bridge100 inet proto tcp from any to any port = 18022 -> 10.0.10.2 port 22"),
        ("", "nat on bridge100 inet from 10.0.0.0/8 to any -> 192.168.64.1"),
    ],
)
def test_translation_on_a_guests_bridge_fails_until_it_is_gone(
    opened: Host, place: str, rule: str
) -> None:
    opened.pf.nat = dict(MACS_OWN)
    guard = opened.guard()
    opened.pf.nat[place] = (*opened.pf.nat.get(place, ()), rule)
    opened.pass_time(guard, FULL_S + 1)
    assert guard.record.state == "failed"
    assert f"{place or 'main'}: {rule}: " in guard.record.why
    assert not paths.LINK.exists()
    assert opened.doors == render.deny_all()
    opened.pf.nat[place] = opened.pf.nat[place][:-1]
    opened.pass_time(guard, 3)
    assert guard.record.state == "open"


@pytest.mark.parametrize("anchor", [render.ANCHOR, render.WALL])
def test_translation_in_an_anchor_of_ours_is_swept_away(opened: Host, anchor: str) -> None:
    guard = opened.guard()
    opened.pf.nat[anchor] = (PASSES,)
    opened.pass_time(guard, FULL_S + 1)
    assert opened.events("repaired") == [f"{anchor} translates, such as: {PASSES}"]
    assert (guard.record.state, anchor in opened.pf.nat) == ("open", False)


@pytest.mark.parametrize("skipped", ["bridge100", "bridge104"])
def test_a_bridge_that_pf_skips_fails_although_all_rules_are_there(
    opened: Host, skipped: str
) -> None:
    guard = opened.guard()
    opened.pf.skipped = ("lo0", skipped)
    opened.pass_time(guard, FULL_S + 1)
    assert guard.record.state == "failed"
    assert f"pf does not look at {skipped} (set skip)" in guard.record.why
    opened.pf.skipped = ("lo0",)
    opened.pass_time(guard, 3)
    assert guard.record.state == "open"


@pytest.mark.parametrize("way", ["translated", "skipped"])
def test_what_the_main_ruleset_passes_by_is_seen_within_ten_looks(opened: Host, way: str) -> None:
    guard = opened.guard()
    opened.pass_time(guard, 2)
    if way == "translated":
        opened.pf.nat[""] = (*NAT, PASSES)
    else:
        opened.pf.skipped = ("bridge100",)
    opened.pass_time(guard, 11)
    assert guard.record.state == "failed"


def test_a_guest_that_nothing_holds_is_stopped_and_does_not_start(opened: Host) -> None:
    guard = opened.guard()
    opened.pf.nat[""] = (*NAT, PASSES)
    opened.pass_time(guard, FULL_S + 15)
    assert opened.signals[:1] == ["gui/501/com.nanoclaw.vm"]
    opened.start()
    asked = ask(guard, "start")
    assert (asked.ok, PASSES in asked.why) == (False, True)


@pytest.mark.parametrize("ours", ["bridge100", "bridge111"])
def test_a_guest_on_a_bridge_beyond_the_last_fails(opened: Host, ours: str) -> None:
    """Whether it is the keep's or another one, after which the keep's may get such a bridge."""
    opened.bridge = (ours, "192.168.64.1", "0xffffff00")
    opened.beyond = "bridge111: flags=8a63<UP>\n\tmember: vmenet11 flags=10803<LEARNING>\n"
    guard = opened.guard()
    assert guard.record.state == "failed"
    assert guard.record.why.startswith("bridge111: no rule of ours names a bridge beyond bridge110")
    assert ask(guard, "start").ok is False
    opened.pass_time(guard, 15)
    assert opened.signals[:1] == ["gui/501/com.nanoclaw.vm"]
    opened.bridge, opened.beyond = ("bridge100", "192.168.64.1", "0xffffff00"), ""
    opened.pass_time(guard, 3)
    assert guard.record.state == "open"


@pytest.mark.parametrize("moved", ["another bridge", "evaluations", "what the host sends"])
def test_only_what_comes_in_on_the_guests_bridge_shows_that_pf_looks(
    opened: Host, moved: str
) -> None:
    guard = opened.guard()
    for _ in range(4):
        opened.clock.now += 30
        opened.received += 1000
        opened.pf.counted["bridge101"] += 7 * (moved == "another bridge")
        opened.pf.sent["bridge100"] += 7 * (moved == "what the host sends")
        opened.pf.evaluated += 7 * (moved == "evaluations")
        guard.check("due")
    assert guard.record.state == "cut"
    assert "bridge100 received 1000 packets and pf counted none" in guard.record.why
