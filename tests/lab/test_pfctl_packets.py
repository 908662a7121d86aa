"""pf's rules on real packets: what passes, what does not, and each denial's positive control."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.pf_world import (
    GATEWAY,
    GATEWAY6,
    GUEST,
    HOST,
    INTERNET,
    MAIN,
    World,
    after_boot,
    world,
)

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]


@pytest.fixture(scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(Path(tmp_path_factory.mktemp("pf"))) as made:
        yield made


@pytest.fixture
def net(_world: World) -> Iterator[World]:
    with after_boot(_world, enabled=True):
        yield _world


def test_without_rules_everything_passes_and_makes_no_state(net: World) -> None:
    net.listen("host", GATEWAY, 18443)
    assert net.tcp("guest", GATEWAY, 18443) == "open"
    assert net.pfctl("-ss").stdout == ""


def test_a_quick_block_wins_over_a_later_pass(net: World) -> None:
    net.listen("host", GATEWAY, 1001)
    net.load("block return in quick on bridge100 proto tcp all\npass in on bridge100 all\n")
    assert net.tcp("guest", GATEWAY, 1001) == "refused"


def test_without_quick_the_last_match_wins(net: World) -> None:
    net.listen("host", GATEWAY, 1002)
    net.load("block return in on bridge100 proto tcp all\npass in on bridge100 all\n")
    assert net.tcp("guest", GATEWAY, 1002) == "open"
    net.load("pass in on bridge100 all\nblock return in on bridge100 proto tcp all\n")
    assert net.tcp("guest", GATEWAY, 1002) == "refused"


def test_a_block_without_quick_is_undone_by_a_later_anchor(net: World) -> None:
    net.listen("host", GATEWAY, 1003)
    net.load("block return in on bridge100 proto tcp all\n")
    assert net.tcp("guest", GATEWAY, 1003) == "refused"
    net.load("pass on bridge100 all flags any keep state\n", "com.apple/999.later")
    assert net.tcp("guest", GATEWAY, 1003) == "open"


def test_children_of_a_wildcard_are_walked_by_name_whatever_the_order_of_loading(
    net: World,
) -> None:
    net.listen("host", GATEWAY, 1004)
    net.load("pass in quick on bridge100 all\n", "com.apple/500.open")
    net.load("block return in quick on bridge100 proto tcp all\n", "com.apple/100.closed")
    assert net.tcp("guest", GATEWAY, 1004) == "refused"
    net.load("pass in quick on bridge100 all\n", "com.apple/050.first")
    assert net.tcp("guest", GATEWAY, 1004) == "open"


def test_a_wildcard_does_not_reach_grandchildren(net: World) -> None:
    net.listen("host", GATEWAY, 1005)
    net.load("block return in quick proto tcp all\n", "com.apple/100.a/deeper")
    assert net.tcp("guest", GATEWAY, 1005) == "open"
    net.load('anchor "deeper"\n', "com.apple/100.a")
    assert net.tcp("guest", GATEWAY, 1005) == "refused"


def test_an_anchor_that_nothing_refers_to_has_no_effect(net: World) -> None:
    net.listen("host", GATEWAY, 1006)
    net.load("block return in quick proto tcp all\n", "clawkeep")
    assert "block return in quick proto tcp all" in net.pfctl("-a", "clawkeep", "-sr").stdout
    assert net.tcp("guest", GATEWAY, 1006) == "open"
    net.main(MAIN + 'anchor "clawkeep"\n')
    assert net.tcp("guest", GATEWAY, 1006) == "refused"


def test_rules_on_a_bridge_member_never_match(net: World) -> None:
    net.listen("host", GATEWAY, 1007)
    net.load("block return in quick on vmenet0 proto tcp all\n")
    assert net.tcp("guest", GATEWAY, 1007) == "open"
    assert "Packets: 0 " in net.pfctl("-a", "com.apple/000.test", "-vsr").stdout
    net.load("block return in quick on bridge100 proto tcp all\n")
    assert net.tcp("guest", GATEWAY, 1007) == "refused"


def test_in_rules_do_not_match_what_goes_out(net: World) -> None:
    net.listen("guest", GUEST, 22)
    net.load("block return in quick on bridge100 proto tcp to any port 22\n")
    assert net.tcp("host", GUEST, 22) == "open"
    net.load("block drop out quick on bridge100 proto tcp to any port 22\n")
    assert net.tcp("host", GUEST, 22) == "silence"


def test_return_refuses_at_once_and_drop_says_nothing(net: World) -> None:
    net.load("block return in quick on bridge100 all\n")
    begin = time.monotonic()
    assert net.tcp("guest", GATEWAY, 1011) == "refused"
    assert net.tcp("guest", INTERNET, 443) == "refused"
    assert time.monotonic() - begin < 0.4
    net.load("block drop in quick on bridge100 all\n")
    assert net.tcp("guest", GATEWAY, 1011) == "silence"


def test_return_answers_udp_with_port_unreachable_and_ping_with_nothing(net: World) -> None:
    server = net.udp_server("host", GATEWAY, 53)
    assert net.udp("guest", server, GATEWAY, 53) == "answer"
    assert net.ping("guest", GATEWAY)
    net.load("block return in quick on bridge100 all\n")
    assert net.udp("guest", server, GATEWAY, 53) == "refused"
    assert not net.ping("guest", GATEWAY)


def test_return_out_refuses_the_second_try(net: World) -> None:
    net.listen("guest", GUEST, 1012)
    assert net.tcp("host", GUEST, 1012) == "open"
    net.load("block return out quick on bridge100 proto tcp all\n")
    assert net.tcp("host", GUEST, 1012) in {"refused", "silence"}
    assert net.tcp("host", GUEST, 1012) == "refused"


def test_a_rule_for_tcp_leaves_udp_icmp_and_ipv6_open(net: World) -> None:
    net.listen("host", GATEWAY, 1013)
    net.listen("host", GATEWAY6, 1013)
    server = net.udp_server("host", GATEWAY, 5353)
    net.load("block drop in quick on bridge100 inet proto tcp all\n")
    assert net.tcp("guest", GATEWAY, 1013) == "silence"
    assert net.udp("guest", server, GATEWAY, 5353) == "answer"
    assert net.ping("guest", GATEWAY)
    assert net.tcp("guest", GATEWAY6, 1013) == "open"
    net.load("block drop in quick on bridge100 inet all\n")
    assert net.udp("guest", server, GATEWAY, 5353) == "silence"
    assert not net.ping("guest", GATEWAY)
    assert net.tcp("guest", GATEWAY6, 1013) == "open"
    net.load("block drop in quick on bridge100 inet6 all\n")
    assert net.tcp("guest", GATEWAY6, 1013) != "open"
    assert net.ping("guest", GATEWAY)


def test_ports_lists_and_ranges(net: World) -> None:
    for port in (2000, 2005, 2010, 2011, 2020):
        net.listen("host", GATEWAY, port)
    net.load(
        "pass in quick on bridge100 inet proto tcp to any port { 2000:2010, 2020 }\n"
        "block return in quick on bridge100 inet proto tcp all\n"
    )
    found = {port: net.tcp("guest", GATEWAY, port) for port in (2000, 2005, 2010, 2011, 2020)}
    assert found == {2000: "open", 2005: "open", 2010: "open", 2011: "refused", 2020: "open"}


@pytest.mark.parametrize(
    ("condition", "open_ports"),
    [
        ("= 2102", {2102}),
        ("!= 2102", {2101, 2103, 2104}),
        ("< 2102", {2101}),
        ("<= 2102", {2101, 2102}),
        ("> 2103", {2104}),
        (">= 2103", {2103, 2104}),
        ("2101 >< 2104", {2102, 2103}),
        ("2102 <> 2103", {2101, 2104}),
        ("2102:2103", {2102, 2103}),
    ],
)
def test_port_operators(net: World, condition: str, open_ports: set[int]) -> None:
    ports = (2101, 2102, 2103, 2104)
    servers = [net.listen("host", GATEWAY, port) for port in ports]
    net.load(
        f"pass in quick on bridge100 inet proto tcp to any port {condition}\n"
        "block return in quick on bridge100 inet proto tcp all\n"
    )
    assert {port for port in ports if net.tcp("guest", GATEWAY, port) == "open"} == open_ports
    for server in servers:
        server.close()


def test_tables_with_holes_and_changes_at_run_time(net: World) -> None:
    net.listen("host", GATEWAY, 1014)
    net.listen("host", HOST, 1014)
    net.load(
        "table <doors> persist { 10/8, !10.0.10.2, 192.168.64.1 }\n"
        "block return in quick on bridge100 proto tcp to <doors>\n"
    )
    assert net.tcp("guest", GATEWAY, 1014) == "refused"
    assert net.tcp("guest", HOST, 1014) == "open"
    change = net.pfctl("-a", "com.apple/000.test", "-t", "doors", "-T", "replace", "10.0.10.2")
    assert change.returncode == 0
    assert net.tcp("guest", GATEWAY, 1014) == "open"
    assert net.tcp("guest", HOST, 1014) == "refused"


def test_an_address_range_and_a_negated_address(net: World) -> None:
    net.listen("host", GATEWAY, 1015)
    net.load("block return in quick inet proto tcp from 192.168.64.3 - 192.168.64.9 to any\n")
    assert net.tcp("guest", GATEWAY, 1015) == "open"
    net.load("block return in quick inet proto tcp from 192.168.64.2 - 192.168.64.9 to any\n")
    assert net.tcp("guest", GATEWAY, 1015) == "refused"
    net.load("block return in quick inet proto tcp from any to ! 192.168.64.1\n")
    assert net.tcp("guest", GATEWAY, 1015) == "open"


def test_every_address_of_the_host_is_reachable_until_all_is_denied(net: World) -> None:
    net.listen("host", HOST, 1016)
    net.load("block return in quick on bridge100 inet proto tcp to 192.168.64.1\n")
    assert net.tcp("guest", HOST, 1016) == "open"
    net.load("block return in quick on bridge100 inet all\n")
    assert net.tcp("guest", HOST, 1016) == "refused"


def test_flush_all_fails_open_while_the_anchor_still_shows_its_rules(net: World) -> None:
    net.listen("host", GATEWAY, 1018)
    net.load("block return in quick on bridge100 proto tcp all\n")
    assert net.tcp("guest", GATEWAY, 1018) == "refused"
    assert net.pfctl("-F", "all").returncode == 0
    assert net.pfctl("-sr").stdout == ""
    assert "block return in quick" in net.pfctl("-a", "com.apple/000.test", "-sr").stdout
    assert "Status: Enabled" in net.pfctl("-s", "info").stdout
    assert net.tcp("guest", GATEWAY, 1018) == "open"
    net.main()
    assert net.tcp("guest", GATEWAY, 1018) == "refused"


def test_set_skip_of_the_main_ruleset_works_and_of_an_anchor_does_nothing(net: World) -> None:
    net.listen("host", GATEWAY, 1020)
    net.load("set skip on bridge100\nblock return in quick proto tcp all\n")
    assert net.tcp("guest", GATEWAY, 1020) == "refused"
    net.main("set skip on bridge100\n" + MAIN)
    assert net.tcp("guest", GATEWAY, 1020) == "open"


def test_an_anchors_own_conditions_guard_its_rules(net: World) -> None:
    net.listen("host", GATEWAY, 1021)
    net.listen("host", GATEWAY, 1022)
    net.load(
        'anchor "ports" in on bridge100 inet proto tcp to any port 1021 {\nblock return all\n}\n'
    )
    assert net.tcp("guest", GATEWAY, 1021) == "refused"
    assert net.tcp("guest", GATEWAY, 1022) == "open"


def test_anchor_quick_is_final_only_when_something_inside_matched(net: World) -> None:
    net.listen("host", GATEWAY, 1023)
    net.listen("host", GATEWAY, 1024)
    net.load('anchor "a" in quick {\nblock return in proto tcp to any port 1023\n}\npass in all\n')
    assert net.tcp("guest", GATEWAY, 1023) == "refused"
    assert net.tcp("guest", GATEWAY, 1024) == "open"


def test_icmp_types(net: World) -> None:
    net.load("block drop in quick on bridge100 inet proto icmp all icmp-type timereq\n")
    assert net.ping("guest", GATEWAY)
    net.load("block drop in quick on bridge100 inet proto icmp all icmp-type echoreq\n")
    assert not net.ping("guest", GATEWAY)


def test_dynamic_interface_addresses(net: World) -> None:
    net.listen("host", GATEWAY, 1025)
    net.listen("host", HOST, 1025)
    net.load("block return in quick proto tcp to (bridge100)\n")
    assert net.tcp("guest", GATEWAY, 1025) == "refused"
    assert net.tcp("guest", HOST, 1025) == "open"
    net.load("block return in quick proto tcp from (bridge100:network) to (en0)\n")
    assert net.tcp("guest", HOST, 1025) == "refused"


def test_a_refusal_is_not_itself_blocked_by_rules_for_what_goes_out(net: World) -> None:
    net.load("block return in quick on bridge100 all\nblock drop out quick on bridge100 all\n")
    assert net.tcp("guest", GATEWAY, 1026) == "refused"
    server = net.udp_server("host", GATEWAY, 1026)
    assert net.udp("guest", server, GATEWAY, 1026) == "refused"
