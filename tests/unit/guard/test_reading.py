"""What the guard reads of other programs' words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep import expected
from clawkeep.onhost import (
    counters,
    guests,
    paths,
    pfctl,
    situation,
    store,
    verdicts,
    world,
)
from clawkeep.policy import Openings
from clawkeep.render.anchor import deny_all, printed, wall
from clawkeep.seen import Seen, skipped_interfaces

pytestmark = pytest.mark.usefixtures("own_journal_and_clock")

NETSTAT = """\
Name       Mtu   Network       Address            Ipkts Ierrs     Ibytes    Opkts Oerrs     Obytes  Coll
bridge100  1500  <Link#20>     9e:58:3c:aa:bb:cc   4711     0     999999      812     0     100000     0
bridge100  1500  192.168.64    192.168.64.1        4000     -     900000      800     -      90000     -
"""  # noqa: E501


@pytest.mark.parametrize(
    ("text", "packets"),
    [
        (NETSTAT, 4711),
        (NETSTAT.replace("9e:58:3c:aa:bb:cc", " " * 17), 4711),
        (NETSTAT.replace("bridge100", "bridge101"), -1),
        (NETSTAT.replace("4711", "-"), -1),
        ("", -1),
        ("netstat: unknown interface\n", -1),
    ],
)
def test_packets_are_those_of_the_interfaces_own_line(text: str, packets: int) -> None:
    assert counters.packets(text, "bridge100") == packets


IFCONFIG = """\
lo0: flags=8049<UP> mtu 16384
\tinet 127.0.0.1 netmask 0xff000000
en0: flags=8863<UP> mtu 1500
\tinet 10.0.10.2 netmask 0xffffff00
bridge0: flags=8863<UP> mtu 1500
\tinet 10.9.9.1 netmask 0xffffff00
bridge100: flags=8a63<UP> mtu 1500
\tinet 192.168.64.1 netmask 0xfffffffc broadcast 192.168.64.3
\tmember: vmenet0 flags=10803<LEARNING>
utun3: flags=8051<UP> mtu 1380
"""


def test_only_vmnets_bridges_count() -> None:
    kept = guests.sections(IFCONFIG)
    assert [line.split(":")[0] for line in kept.splitlines() if not line[0].isspace()] == [
        "bridge100"
    ]
    assert "vmenet0" in kept
    assert guests.networks(kept) == ["192.168.64.0/30"]
    assert guests.unheld(kept) == ""


BEYOND = "bridge111: flags=8a63<UP> mtu 1500\n"


@pytest.mark.parametrize(
    ("detail", "held"),
    [
        ("\tinet 192.168.75.1 netmask 0xffffff00\n", False),
        ("\tmember: vmenet11 flags=10803<LEARNING>\n", False),
        ("\tether be:d0:74:00:00:64\n", True),
    ],
)
def test_a_guests_bridge_that_no_rule_names_is_seen(detail: str, held: bool) -> None:
    kept = guests.sections(IFCONFIG + BEYOND + detail)
    assert "bridge111" in kept
    assert guests.unheld(kept).startswith("bridge111: ") is not held


@pytest.mark.parametrize(
    ("main", "referenced", "earlier"),
    [
        ('anchor "com.apple/*" all', True, ()),
        ('scrub-anchor "com.apple/*" all', False, ()),
        ('anchor "com.apple.internet-sharing" all', False, ("com.apple.internet-sharing",)),
        ('anchor "vpn" all\nanchor "com.apple/*" all\nanchor "late" all', True, ("vpn",)),
        ("", False, ()),
    ],
)
def test_the_reference_is_the_one_with_the_slash(
    main: str, referenced: bool, earlier: tuple[str, ...]
) -> None:
    seen = Seen.of("", main, "", "")
    assert (seen.referenced, seen.earlier) == (referenced, earlier)


def test_egress_networks_are_read_from_the_rules_that_open_them() -> None:
    rule = "pass in quick on bridge100 inet proto tcp from 192.168.64.2 to {} port = 443 {}"
    lines = (
        rule.format("1.1.1.0/24", 'flags S/SA keep state label "clawkeep-egress"'),
        rule.format("192.168.64.1", 'flags S/SA keep state label "clawkeep-svc-nas"'),
    )
    assert pfctl.egress_of(lines) == {("1.1.1.0/24", "443")}


IFACES = "ALL\nbridge100\nen0\nlo0 (skip)\n"


class Pf:
    """pfctl that answers from tables; an anchor that is in none does not exist.

    `broken` is what it fails to do: an anchor's path, or the last word of a call.
    """

    def __init__(
        self,
        anchors: dict[str, str],
        broken: str = "",
        nat: dict[str, str] | None = None,
        interfaces: str = IFACES,
    ) -> None:
        self.anchors, self.nat = anchors, nat or {}
        self.broken, self.interfaces = broken, interfaces

    def run(self, command: list[str], **_: object) -> SimpleNamespace:
        words = command[1:]
        path = words[words.index("-a") + 1] if "-a" in words else ""
        if self.broken and self.broken in {path, words[-1]}:
            return SimpleNamespace(returncode=1, stdout="", stderr="pfctl: Device busy")
        known = {*self.anchors, *self.nat} - {""}
        if path and path not in known:
            return SimpleNamespace(returncode=1, stdout="", stderr="pfctl: Invalid argument")
        if words[-1] == "Anchors":
            assert words == ["-v", "-s", "Anchors"]  # Without -v pfctl names the top ones alone.
            text = "".join(f"  {one}\n" for one in sorted(known))
        elif words[-1] == "Interfaces":
            assert words == ["-v", "-s", "Interfaces"]  # Without -v pfctl shows no skip.
            text = self.interfaces
        else:
            text = (self.nat if words[-1] == "-sn" else self.anchors).get(path, "")
        return SimpleNamespace(returncode=0, stdout=text, stderr="")


NESTED = {
    "": 'anchor "vpn" all\nanchor "com.apple/*" all\n',
    "vpn": 'anchor "rules/*" all\n',
    "vpn/rules": "",
    "vpn/rules/one": 'anchor "deep" all\n',
    "vpn/rules/one/deep": "pass quick all flags S/SA keep state\n",
}


def test_anchors_before_ours_are_read_with_all_that_they_refer_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(world, "run", Pf(NESTED).run)
    before = dict(pfctl.look().before)
    assert before["vpn/rules/one/deep"] == ("pass quick all flags S/SA keep state",)
    closed = replace(pfctl.look(), doors=printed(deny_all()), wall=printed(wall()), enabled=True)
    assert expected.differences(closed, Openings(), None)
    innocent = {**NESTED, "vpn/rules/one/deep": ""}
    monkeypatch.setattr(world, "run", Pf(innocent).run)
    closed = replace(closed, before=pfctl.look().before)
    assert expected.differences(closed, Openings(), None) == ()


def test_an_anchor_that_cannot_be_read_is_not_taken_for_an_empty_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(world, "run", Pf(NESTED, broken="vpn/rules/one").run)
    with pytest.raises(pfctl.PfError, match="Device busy"):
        pfctl.look()


TRANSLATING = {
    "": 'nat-anchor "vpn/*" all\nrdr-anchor "com.apple/*" all\n',
    "com.apple/a": 'rdr-anchor "deep" all\n',
    "com.apple/a/deep": "rdr pass on bridge100 inet all -> 127.0.0.1\n",
    "unreferenced": "rdr pass all -> 127.0.0.1\n",
}


def test_translation_is_read_with_all_that_it_refers_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "run", Pf(NESTED, nat=TRANSLATING).run)
    seen = pfctl.look()
    assert dict(seen.nat) == {
        path: tuple(text.splitlines())
        for path, text in TRANSLATING.items()
        if path != "unreferenced"
    }
    assert seen.skipped == ("lo0",)


@pytest.mark.parametrize("broken", ["-sn", "com.apple/a/deep", "Interfaces", "Anchors"])
def test_what_translates_or_skips_is_known_or_nothing_is(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "run", Pf(NESTED, broken, TRANSLATING).run)
    with pytest.raises(pfctl.PfError, match="Device busy"):
        pfctl.look()


def test_a_pfctl_that_names_no_interface_says_nothing_of_skips(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(world, "run", Pf(NESTED, interfaces="").run)
    with pytest.raises(pfctl.PfError, match="names none"):
        pfctl.look()


@pytest.mark.parametrize(
    ("text", "skipped"),
    [
        ("ALL\nbridge100 (skip)\nlo0\n", ("bridge100",)),
        ("lo0 (skip)\n\tCleared:     Thu Feb 13 18:55:18 2003\n", ("lo0",)),
        ("ALL\nbridge100\n", ()),
    ],
)
def test_skipped_interfaces_are_those_that_pfctl_marks(text: str, skipped: tuple[str, ...]) -> None:
    assert skipped_interfaces(text) == skipped


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"cause": "x", "why": "", "since": 1}',
             '{"cause": "leak", "why": "", "since": "x"}', "\udcff"]
)  # fmt: skip
def test_a_damaged_cut_stands(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "CUT", tmp_path / "cut.json")
    paths.CUT.write_bytes(text.encode(errors="surrogateescape"))
    found = situation.cut()
    assert found is not None
    assert found.latched


def test_a_full_disk_silences_an_event_and_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "EVENTS", Path("/dev/full"))
    store.event("closed", "the disk is full")
    assert "the disk is full" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"t": "now", "verdict": "green"}', '{"t": 1}', "null"]
)
def test_a_result_that_makes_no_sense_is_never_a_good_one(text: str) -> None:
    result = verdicts.parse(text)
    assert result is not None
    assert not result.clean
    assert verdicts.parse(None) is None


@given(st.text(max_size=200))
def test_no_text_of_a_result_is_an_error_or_good(text: str) -> None:
    result = verdicts.parse(text)
    assert result is not None
    assert not result.clean
