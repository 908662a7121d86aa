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
    talk,
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
    """pf enabled with a Mac's main ruleset and nothing in its anchors."""
    (_world.folder / "pf.json").unlink(missing_ok=True)
    _world.main()
    assert _world.pfctl("-e").returncode == 0
    assert _world.pfctl("-F", "states").returncode == 0
    yield _world
    _world.hang_up()
    _world.pfctl("-d")


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


def test_default_deny_cuts_the_reply_of_the_host_unless_a_state_was_made_going_out(
    net: World,
) -> None:
    net.listen("guest", GUEST, 22)
    deny = "block drop in quick on bridge100 inet all\n"
    net.load(deny)
    assert net.tcp("host", GUEST, 22) == "silence"
    state = "pass out quick on bridge100 inet proto tcp to any port 22 flags S/SA keep state\n"
    net.load(state + deny)
    assert net.tcp("host", GUEST, 22) == "open"


def test_a_pass_without_state_lets_no_reply_through(net: World) -> None:
    net.listen("guest", GUEST, 22)
    deny = "block drop in quick on bridge100 inet all\n"
    net.load("pass out quick on bridge100 inet proto tcp to any port 22 no state\n" + deny)
    assert net.tcp("host", GUEST, 22) == "silence"


def test_a_state_outlives_the_rule_that_made_it_until_it_is_killed(net: World) -> None:
    server = net.listen("host", GATEWAY, 1008)
    net.load("pass in quick on bridge100 proto tcp to any port 1008\nblock drop in quick\n")
    client = net.connect("guest", GATEWAY, 1008)
    accepted, _ = server.accept()
    accepted.settimeout(0.6)
    net.load("block drop in quick on bridge100 all\n")
    assert talk(client, accepted)
    assert net.tcp("guest", GATEWAY, 1008) == "silence"
    killed = net.pfctl("-k", GUEST)
    assert "killed 1 states from 1 sources and 0 destinations" in killed.stderr
    assert not talk(client, accepted)


def test_killing_another_hosts_states_leaves_this_one(net: World) -> None:
    server = net.listen("host", GATEWAY, 1009)
    net.load("pass in quick on bridge100 proto tcp to any port 1009\nblock drop in quick\n")
    client = net.connect("guest", GATEWAY, 1009)
    accepted, _ = server.accept()
    accepted.settimeout(0.6)
    assert "killed 0 states" in net.pfctl("-k", "192.168.64.9").stderr
    assert "killed 0 states" in net.pfctl("-k", GUEST, "-k", "9.9.9.9").stderr
    assert talk(client, accepted)
    assert "1 states cleared" in net.pfctl("-F", "states").stderr
    assert not talk(client, accepted)


def test_a_connection_from_before_the_rules_has_no_state_and_is_cut(net: World) -> None:
    server = net.listen("host", GATEWAY, 1010)
    client = net.connect("guest", GATEWAY, 1010)
    accepted, _ = server.accept()
    accepted.settimeout(0.6)
    assert talk(client, accepted)
    net.load("pass in quick on bridge100 proto tcp flags S/SA\nblock drop in quick\n")
    assert not talk(client, accepted)
    net.load("pass in quick on bridge100 proto tcp flags any\nblock drop in quick\n")
    client = net.connect("guest", GATEWAY, 1010)
    again, _ = server.accept()
    again.settimeout(0.6)
    assert talk(client, again)


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


def test_counters_tell_evaluations_packets_and_states(net: World) -> None:
    net.listen("host", GATEWAY, 1027)
    net.load(
        "pass in quick on bridge100 inet proto tcp to any port 1027\n"
        "block return in quick on bridge100 inet proto tcp all\n"
    )
    client = net.connect("guest", GATEWAY, 1027)
    assert net.tcp("guest", GATEWAY, 1028) == "refused"
    shown = net.pfctl("-a", "com.apple/000.test", "-vvsr").stdout.splitlines()
    assert shown[0].startswith("@0 pass in quick on bridge100 inet proto tcp")
    assert "Evaluations: 2 " in shown[1]
    assert "States: 1 " in shown[1]
    passed = int(shown[1].split("Packets: ")[1].split()[0])
    assert passed >= 3  # SYN, SYN+ACK and ACK, by the rule and then by its state
    assert "Evaluations: 1 " in shown[4]
    assert "Packets: 1 " in shown[4]
    client.close()


def test_counters_survive_the_load_of_another_anchor(net: World) -> None:
    net.load("block return in quick on bridge100 proto tcp all\n")
    assert net.tcp("guest", GATEWAY, 1029) == "refused"
    net.load("pass in all\n", "com.apple/900.other")
    assert "Packets: 1 " in net.pfctl("-a", "com.apple/000.test", "-vsr").stdout
    net.load("block return in quick on bridge100 proto tcp all\n")
    assert "Packets: 0 " in net.pfctl("-a", "com.apple/000.test", "-vsr").stdout


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


def test_an_ipv6_state_is_one_state(net: World) -> None:
    net.listen("host", GATEWAY6, 1031)
    net.load("pass in quick on bridge100 inet6 all\n")
    client = net.connect("guest", GATEWAY6, 1031)
    port = client.getsockname()[1]
    shown = net.pfctl("-ss").stdout.splitlines()
    line = f"ALL tcp fd64::1[1031] <- fd64::2[{port}]       ESTABLISHED:ESTABLISHED"
    assert [one for one in shown if " tcp " in one] == [line]
    assert "killed 1 states" in net.pfctl("-k", "fd64::2", "-k", "fd64::1").stderr
