"""pf's translation on real packets: nat, rdr, and macOS's internet sharing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.pf_world import (
    GATEWAY,
    GUEST,
    INTERNET,
    World,
    after_boot,
    world,
)

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]
NAT = "nat on en0 inet from 192.168.64.0/24 to any -> (en0:0)\n"


@pytest.fixture(scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(Path(tmp_path_factory.mktemp("pf"))) as made:
        yield made


@pytest.fixture
def net(_world: World) -> Iterator[World]:
    with after_boot(_world, enabled=True):
        yield _world


def test_nat_and_what_block_out_sees_of_it(net: World) -> None:
    net.listen("wan", INTERNET, 443)
    assert net.tcp("guest", INTERNET, 443) == "silence"
    net.load(NAT)
    assert net.tcp("guest", INTERNET, 443) == "open"
    net.load(NAT + "block drop out quick on en0 from 192.168.64.0/24 to any\n")
    assert net.tcp("guest", INTERNET, 443) == "open"
    assert "Packets: 0 " in net.pfctl("-a", "com.apple/000.test", "-vsr").stdout
    net.load(NAT + "block drop in quick on bridge100 from 192.168.64.0/24 to any\n")
    assert net.tcp("guest", INTERNET, 443) == "silence"


def test_no_nat_before_nat_keeps_the_address(net: World) -> None:
    net.listen("wan", INTERNET, 443)
    net.load(NAT)
    assert net.tcp("guest", INTERNET, 443) == "open"
    net.load("no nat on en0 inet from 192.168.64.2 to any\n" + NAT)
    assert net.tcp("guest", INTERNET, 443) == "silence"


def test_rdr_happens_before_filtering(net: World) -> None:
    net.listen("host", GATEWAY, 1017)
    rdr = "rdr on bridge100 inet proto tcp from any to 1.1.1.1 port 80 -> 192.168.64.1 port 1017\n"
    net.load(rdr)
    assert net.tcp("guest", INTERNET, 80) == "open"
    net.load(rdr + "block drop in quick inet proto tcp from any to 1.1.1.1 port 80\n")
    assert net.tcp("guest", INTERNET, 80) == "open"
    net.load(rdr + "block drop in quick inet proto tcp from any to 192.168.64.1 port 1017\n")
    assert net.tcp("guest", INTERNET, 80) == "silence"


def test_rdr_with_pass_goes_by_all_filter_rules(net: World) -> None:
    net.listen("host", GATEWAY, 1018)
    rdr = "rdr {} on bridge100 inet proto tcp from any to any port 80 -> 192.168.64.1 port 1018\n"
    net.load("block return quick on bridge100 all\n")
    net.load(rdr.format(""), "com.apple/200.other")
    assert net.tcp("guest", INTERNET, 80) == "silence"
    net.load(rdr.format("pass"), "com.apple/200.other")
    assert net.tcp("guest", INTERNET, 80) == "open"


def test_disabled_pf_neither_filters_nor_translates(net: World) -> None:
    net.listen("wan", INTERNET, 443)
    net.listen("host", GATEWAY, 1019)
    net.load(NAT + "block return in quick on bridge100 proto tcp to 192.168.64.1\n")
    assert net.tcp("guest", GATEWAY, 1019) == "refused"
    assert net.tcp("guest", INTERNET, 443) == "open"
    assert net.pfctl("-d").returncode == 0
    assert net.tcp("guest", GATEWAY, 1019) == "open"
    assert net.tcp("guest", INTERNET, 443) == "silence"
    assert net.pfctl("-e").returncode == 0
    assert net.tcp("guest", GATEWAY, 1019) == "refused"


def test_the_state_table_shows_each_side_of_a_translated_connection(net: World) -> None:
    net.listen("wan", INTERNET, 443)
    net.load(NAT + "pass in on bridge100 all\n")
    client = net.connect("guest", INTERNET, 443)
    port = client.getsockname()[1]
    shown = net.pfctl("-ss").stdout.splitlines()
    assert f"ALL tcp 1.1.1.1:443 <- 192.168.64.2:{port}       ESTABLISHED:ESTABLISHED" in shown
    assert (
        f"ALL tcp 192.168.64.2:{port} -> 10.0.10.2:{port} -> 1.1.1.1:443       "
        "ESTABLISHED:ESTABLISHED"
    ) in shown


def test_internet_sharing_is_lost_after_a_reload_of_the_main_ruleset(net: World) -> None:
    net.listen("wan", INTERNET, 443)
    net.sharing("sharing.insert_internet_sharing('bridge100', '192.168.64.0/24', 'en0')")
    assert net.tcp("guest", INTERNET, 443) == "open"
    assert net.pfctl("-sr").stdout.splitlines() == [
        'scrub-anchor "com.apple/*" all fragment reassemble',
        'scrub-anchor "com.apple.internet-sharing" all fragment reassemble',
        'anchor "com.apple/*" all',
        'anchor "com.apple.internet-sharing" all',
    ]
    net.main()
    assert net.tcp("guest", INTERNET, 443) == "silence"
    net.sharing("sharing.insert_internet_sharing('bridge100', '192.168.64.0/24', 'en0')")
    assert net.tcp("guest", INTERNET, 443) == "open"
    net.sharing("sharing.remove_internet_sharing('bridge100')")
    assert "internet-sharing" not in net.pfctl("-sr").stdout


def test_internet_sharing_undoes_a_block_without_quick_and_keeps_other_anchors(
    net: World,
) -> None:
    net.listen("host", GATEWAY, 1030)
    net.load("block return in on bridge100 proto tcp all\n")
    assert net.tcp("guest", GATEWAY, 1030) == "refused"
    net.sharing("sharing.insert_internet_sharing('bridge100', '192.168.64.0/24', 'en0')")
    assert net.tcp("guest", GATEWAY, 1030) == "open"
    assert "block return in" in net.pfctl("-a", "com.apple/000.test", "-sr").stdout
    net.load("block return in quick on bridge100 proto tcp all\n")
    assert net.tcp("guest", GATEWAY, 1030) == "refused"


def test_the_anchor_recommended_for_a_keep_does_what_it_says(net: World) -> None:
    for port in (18443, 18123, 22):
        net.listen("host", GATEWAY, port)
    net.listen("guest", GUEST, 22)
    net.listen("wan", INTERNET, 443)
    net.sharing("sharing.insert_internet_sharing('bridge100', '192.168.64.0/24', 'en0')")
    assert net.tcp("guest", INTERNET, 443) == "open"
    net.load(
        'br = "bridge100"\n'
        'gw = "192.168.64.1"\n'
        'net = "192.168.64.0/24"\n'
        "pass out quick on $br inet proto tcp from $gw to $net port 22 flags S/SA keep state\n"
        "pass in quick on $br inet proto udp from any port 68 to any port 67 no state\n"
        "pass in quick on $br inet proto tcp from $net to $gw port { 18443 18123 } keep state\n"
        "block return in log quick on $br inet all\n"
        "block drop in quick on $br inet6 all\n"
    )
    assert net.tcp("guest", GATEWAY, 18443) == "open"
    assert net.tcp("guest", GATEWAY, 18123) == "open"
    assert net.tcp("guest", GATEWAY, 22) == "refused"
    assert net.tcp("guest", INTERNET, 443) == "refused"
    assert net.tcp("host", GUEST, 22) == "open"
    assert not net.ping("guest", GATEWAY)
