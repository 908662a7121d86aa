"""Finding the guest's bridge in what a Mac's `ifconfig` prints."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep import ifconfig
from clawkeep.model import Link

MAC = """\
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384
\toptions=1203<RXCSUM,TXCSUM,TXSTATUS,SW_TIMESTAMP>
\tinet 127.0.0.1 netmask 0xff000000
\tinet6 ::1 prefixlen 128
\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x1
gif0: flags=8010<POINTOPOINT,MULTICAST> mtu 1280
en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tether 3c:a6:f6:00:00:01
\tinet 192.168.64.20 netmask 0xffffff00 broadcast 192.168.64.255
\tmedia: autoselect (1000baseT <full-duplex>)
\tstatus: active
bridge0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tether 36:00:00:00:00:01
\tConfiguration:
\t\tid 0:0:0:0:0:0 priority 0 hellotime 0 fwddelay 0
\tmember: en1 flags=3<LEARNING,DISCOVER>
utun0: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1380
\tinet 100.64.0.1 --> 100.64.0.1 netmask 0xffffffff
bridge101: flags=8a63<UP,BROADCAST,SMART,RUNNING,ALLMULTI,SIMPLEX,MULTICAST> mtu 1500
\toptions=3<RXCSUM,TXCSUM>
\tether 3e:a6:f6:00:00:65
\tinet 192.168.65.1 netmask 0xffffff00 broadcast 192.168.65.255
\tinet6 fe80::3ca6:f6ff:fe00:65%bridge101 prefixlen 64 scopeid 0x15
\tmember: vmenet0 flags=10003<LEARNING,DISCOVER,CSUM>
vmenet0: flags=8963<UP,BROADCAST,SMART,RUNNING,PROMISC,SIMPLEX,MULTICAST> mtu 1500
bridge100: flags=8a63<UP,BROADCAST,SMART,RUNNING,ALLMULTI,SIMPLEX,MULTICAST> mtu 1500
\tinet 10.9.8.1 netmask 0xffffff80 broadcast 10.9.8.127
"""


def test_the_bridge_is_the_one_whose_network_holds_the_guest() -> None:
    assert ifconfig.link(MAC, "192.168.65.7") == Link(
        "bridge101",
        IPv4Address("192.168.65.1"),
        IPv4Network("192.168.65.0/24"),
        IPv4Address("192.168.65.7"),
    )


def test_the_hosts_own_addresses_are_those_of_no_guests_bridge_and_no_loopback() -> None:
    assert ifconfig.own(MAC) == (IPv4Address("192.168.64.20"), IPv4Address("100.64.0.1"))
    alias = "lo0: flags=8049<UP> mtu 16384\n\tinet 10.200.10.1 netmask 0xffffffff\n\tinet junk\n"
    assert ifconfig.own(alias + MAC)[0] == IPv4Address("10.200.10.1")


def test_the_netmask_counts() -> None:
    assert ifconfig.link(MAC, "10.9.8.100").network == IPv4Network("10.9.8.0/25")
    with pytest.raises(ifconfig.LinkError):
        ifconfig.link(MAC, "10.9.8.200")


@pytest.mark.parametrize(
    ("guest", "why"),
    [
        ("192.168.64.7", "no bridge of the host carries the guest's address 192.168.64.7"),
        ("192.168.65.1", "no bridge of the host carries the guest's address 192.168.65.1"),
        ("127.0.0.1", "no bridge of the host carries"),
        ("", "'' is no address of a guest"),
        ("fe80::1", "'fe80::1' is no address of a guest"),
        ("bridge101", "'bridge101' is no address of a guest"),
    ],
)
def test_an_address_that_is_on_no_bridge_is_no_link(guest: str, why: str) -> None:
    with pytest.raises(ifconfig.LinkError, match=why):
        ifconfig.link(MAC, guest)


def test_an_alias_address_on_the_same_bridge_is_found() -> None:
    text = MAC + "\tinet 172.16.0.1 netmask 0xffff0000 broadcast 172.16.255.255\n"
    assert str(ifconfig.link(text, "172.16.3.4").gateway) == "172.16.0.1"


words = st.sampled_from(
    ["inet", "netmask", "bridge100:", "0xffffff00", "0x", "10.0.0.1", "\n", "\t", " ", "24", "::"]
)


@given(st.one_of(st.text(), st.lists(words).map(" ".join)), st.sampled_from(["10.0.0.2", "x"]))
def test_no_text_makes_it_fail_otherwise(text: str, guest: str) -> None:
    with contextlib.suppress(ifconfig.LinkError):
        assert str(ifconfig.link(text, guest).guest) == guest


def test_a_line_that_ends_after_netmask_is_passed_over() -> None:
    with pytest.raises(ifconfig.LinkError):
        ifconfig.link("bridge100: up\n\tinet 10.0.0.1 netmask", "10.0.0.2")
