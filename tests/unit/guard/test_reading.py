"""What the guard reads of other programs' words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.onhost import counters, guests, pfctl, verdicts
from clawkeep.seen import Seen

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
    assert pfctl.egress_of(lines) == {"1.1.1.0/24"}


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
