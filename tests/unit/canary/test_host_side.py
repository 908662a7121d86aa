"""What the host adds: pf's counts, its addresses, decoys, and a reader that nobody can hold."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from clawkeep.canary import around, ask
from clawkeep.canary.counters import counted, grown
from clawkeep.canary.decoys import DecoyError, Trap
from clawkeep.link import Link
from clawkeep.policy import Door, Policy

LINK = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")

COUNTS = """\
pass in quick on bridge100 inet proto tcp from 192.168.64.2 to 192.168.64.1 port = 18443 \
flags S/SA keep state label "clawkeep-svc-vault"
  [ Evaluations: 9         Packets: 12        Bytes: 900         States: 1     ]
  [ Inserted: uid 0 pid 2399 ]
pass in quick on bridge100 inet proto tcp from 192.168.64.2 to 1.1.1.1 port = 443 \
flags S/SA keep state label "clawkeep-egress"
  [ Evaluations: 9         Packets: 2         Bytes: 900         States: 1     ]
pass in quick on bridge100 inet proto tcp from 192.168.64.2 to 1.1.1.1 port = 80 \
flags S/SA keep state label "clawkeep-egress"
  [ Evaluations: 9         Packets: 3         Bytes: 900         States: 1     ]
block return in quick on bridge100 inet all label "clawkeep-deny4"
  [ Evaluations: 9         Packets: 4         Bytes: 900         States: 1     ]
block return in quick on bridge101 inet all label "clawkeep-deny4"
  [ Evaluations: 9         Packets: 500       Bytes: 900         States: 1     ]
block drop in quick on bridge100 inet6 all
  [ Evaluations: 9         Packets: 700       Bytes: 900         States: 1     ]
"""


def test_packets_are_counted_by_label_on_the_guests_bridge_alone() -> None:
    assert counted(COUNTS, "bridge100") == {
        "clawkeep-svc-vault": 12,
        "clawkeep-egress": 5,
        "clawkeep-deny4": 4,
    }
    assert counted("", "bridge100") == {}


def test_counts_that_start_anew_prove_nothing() -> None:
    before = {"a": 5, "b": 0}
    assert grown(before, {"a": 7, "b": 0}) == {"a": 2, "b": 0}
    assert grown(before, {"a": 4, "b": 9}) is None
    assert grown(before, {"a": 5}) is None
    assert grown(before, {"a": 5, "b": 0, "c": 1}) is None


IFCONFIG = """\
lo0: flags=8049<UP> mtu 16384
\tinet 127.0.0.1 netmask 0xff000000
\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x1
en0: flags=8863<UP> mtu 1500
\tinet6 fe80::2%en0 prefixlen 64 scopeid 0x2
\tinet 10.0.10.2 netmask 0xffffff00 broadcast 10.0.10.255
utun4: flags=8051<UP> mtu 1280
\tinet 100.64.0.3 --> 100.64.0.3 netmask 0xffffffff
bridge100: flags=8a63<UP> mtu 1500
\tinet 192.168.64.1 netmask 0xffffff00 broadcast 192.168.64.255
\tinet6 fe80::701f%bridge100 prefixlen 64 scopeid 0x6
\tinet6 fd00::1 prefixlen 64
bridge101: flags=8a63<UP> mtu 1500
\tinet 192.168.65.1 netmask 0xffffff00 broadcast 192.168.65.255
"""


def test_the_hosts_own_addresses_are_those_that_are_no_gateways() -> None:
    found = around.addresses(IFCONFIG, LINK)
    assert found.own == ("10.0.10.2", "100.64.0.3")
    assert found.gateway6 == "fe80::701f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("   route to: default\n    gateway: 10.0.10.1\n  interface: en0\n", ("10.0.10.1",)),
        ("    gateway: link#12\n", ()),
        ("route: writing to routing socket: not in table\n", ()),
    ],
)
def test_the_router_is_the_default_gateway_when_it_has_an_address(
    text: str, expected: tuple[str, ...]
) -> None:
    assert around.router(text) == expected


def test_targets_by_name_are_looked_up_and_unknown_ones_left_out() -> None:
    doors = (
        Door("a", 18001, "10.0.30.5", 8123),
        Door("b", 18002, "localhost", 443),
        Door("c", 18003, "nobody.invalid", 443),
    )
    assert around.targets(doors) == (("10.0.30.5", 8123), ("127.0.0.1", 443))


HERE = Link.of("bridge100", "127.0.0.1", "24", "127.0.0.2")


def touched(trap: Trap, count: int) -> tuple[str, ...]:
    end = time.monotonic() + 3
    while len(trap.touched) < count and time.monotonic() < end:
        time.sleep(0.01)
    return trap.touched


def reach(port: int, kind: socket.SocketKind, source: str) -> None:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((source, 0))
        sock.settimeout(2)
        sock.connect(("127.0.0.1", port))
        sock.send(b"hello")


def test_a_decoy_tells_which_guest_reached_it_and_the_host_itself_does_not_count() -> None:
    with Trap(HERE, None, ()) as trap:
        assert trap.touched == ()
        reach(trap.ports.tcp, socket.SOCK_STREAM, "127.0.0.2")
        reach(trap.ports.udp, socket.SOCK_DGRAM, "127.0.0.2")
        assert touched(trap, 2) == (
            "decoy on the gateway, TCP: reached from 127.0.0.2",
            "decoy on the gateway, UDP: reached from 127.0.0.2",
        )
        ports = trap.ports
    with pytest.raises(ConnectionRefusedError):
        reach(ports.tcp, socket.SOCK_STREAM, "127.0.0.2")


def test_a_lan_that_routes_to_the_gateway_is_no_leak_of_the_guest() -> None:
    with Trap(HERE, None, ()) as trap:
        reach(trap.ports.tcp, socket.SOCK_STREAM, "127.0.1.9")
        reach(trap.ports.tcp, socket.SOCK_STREAM, "127.0.0.2")
        assert touched(trap, 1) == ("decoy on the gateway, TCP: reached from 127.0.0.2",)


def test_without_a_gateway_there_are_no_decoys_and_that_is_an_error() -> None:
    with pytest.raises(DecoyError, match=r"no decoys on 192\.0\.2\.1"):
        Trap(Link.of("bridge100", "192.0.2.1", "24", "192.0.2.2"), None, ()).__enter__()


@pytest.fixture
def policy() -> Policy:
    return Policy("", "keep", "root", 0, "/", "_clawkeep")


def test_a_command_gets_its_input_and_its_errors_are_read_too(policy: Policy) -> None:
    text = "x" * 300_000
    done = ask.as_owner(policy, ["/bin/sh", "-c", "wc -c; echo oops >&2"], text, 10)
    assert done.split() == ["300000", "oops"]


def test_one_that_never_ends_is_ended_with_all_that_it_started(
    policy: Policy, tmp_path: Path
) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/pid; echo begun; wait"
    started = time.monotonic()
    assert ask.as_owner(policy, ["/bin/sh", "-c", script], "", 0.5) == "begun\n"
    assert time.monotonic() - started < 5
    sleeper = Path("/proc") / (tmp_path / "pid").read_text().strip() / "stat"
    end = time.monotonic() + 3
    while alive(sleeper):
        assert time.monotonic() < end, "what it started lives on"
        time.sleep(0.02)


def alive(stat: Path) -> bool:
    try:
        return stat.read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_one_that_says_too_much_is_cut_off(policy: Policy) -> None:
    said = ask.as_owner(policy, ["/bin/sh", "-c", "yes"], "", 20)
    assert len(said) == ask.MAX_ANSWER
