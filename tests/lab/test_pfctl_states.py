"""pf's states and counters on real packets: who may answer, and what outlives a rule."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.pf_world import (
    GATEWAY,
    GATEWAY6,
    GUEST,
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


def talk(client: socket.socket, server: socket.socket) -> bool:
    """Whether bytes get through both ways."""
    try:
        client.sendall(b"ping")
        if server.recv(16) != b"ping":
            return False
        server.sendall(b"pong")
        return client.recv(16) == b"pong"
    except OSError:
        return False


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
    client, accepted = net.pair(server)
    net.load("block drop in quick on bridge100 all\n")
    assert talk(client, accepted)
    assert net.tcp("guest", GATEWAY, 1008) == "silence"
    killed = net.pfctl("-k", GUEST)
    assert "killed 1 states from 1 sources and 0 destinations" in killed.stderr
    assert not talk(client, accepted)


def test_killing_another_hosts_states_leaves_this_one(net: World) -> None:
    server = net.listen("host", GATEWAY, 1009)
    net.load("pass in quick on bridge100 proto tcp to any port 1009\nblock drop in quick\n")
    client, accepted = net.pair(server)
    assert "killed 0 states" in net.pfctl("-k", "192.168.64.9").stderr
    assert "killed 0 states" in net.pfctl("-k", GUEST, "-k", "9.9.9.9").stderr
    assert talk(client, accepted)
    assert "1 states cleared" in net.pfctl("-F", "states").stderr
    assert not talk(client, accepted)


def test_a_connection_from_before_the_rules_has_no_state_and_is_cut(net: World) -> None:
    server = net.listen("host", GATEWAY, 1010)
    client, accepted = net.pair(server)
    assert talk(client, accepted)
    net.load("pass in quick on bridge100 proto tcp flags S/SA\nblock drop in quick\n")
    assert not talk(client, accepted)
    net.load("pass in quick on bridge100 proto tcp flags any\nblock drop in quick\n")
    assert talk(*net.pair(server))


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


def test_an_ipv6_state_is_one_state(net: World) -> None:
    net.listen("host", GATEWAY6, 1031)
    net.load("pass in quick on bridge100 inet6 all\n")
    client = net.connect("guest", GATEWAY6, 1031)
    port = client.getsockname()[1]
    shown = net.pfctl("-ss").stdout.splitlines()
    line = f"ALL tcp fd64::1[1031] <- fd64::2[{port}]       ESTABLISHED:ESTABLISHED"
    assert [one for one in shown if " tcp " in one] == [line]
    assert "killed 1 states" in net.pfctl("-k", "fd64::2", "-k", "fd64::1").stderr
