"""Counters below all servers: what came through, and that nothing else is counted."""

import pytest

from lab.lab import Lab
from lab.state import LabError

pytestmark = pytest.mark.lab

SEND = """\
import socket, sys
address, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
    line.sendto(bytes(size), (address, port))
"""


def send(lab: Lab, address: str, port: int, size: int = 10) -> None:
    lab.exec("host", ["/usr/bin/python3", "-c", SEND, address, str(port), str(size)], check=True)


def test_packets_that_nobody_answers_are_counted_by_what_they_are(lab: Lab) -> None:
    with (
        lab.arrivals("internet", "udp dport 9999") as wanted,
        lab.arrivals("internet", "udp dport 9998") as other,
        lab.arrivals("lan", "ip daddr 10.0.30.99 meta l4proto icmp") as pings,
    ):
        assert (wanted.packets, other.packets, pings.packets) == (0, 0, 0)
        for _ in range(3):
            send(lab, "203.0.113.77", 9999)
        lab.exec("host", ["/sbin/ping", "-c", "2", "-i", "0.2", "10.0.30.99"], check=True)

        assert (wanted.packets, other.packets, pings.packets) == (3, 0, 2)


def test_each_fragment_counts(lab: Lab) -> None:
    with lab.arrivals("lan", "ip daddr 10.0.30.99") as all_of_it:
        send(lab, "10.0.30.99", 7, size=4000)

        assert all_of_it.packets == 3


def test_a_count_ends_with_its_context(lab: Lab) -> None:
    with lab.arrivals("lan") as counted:
        assert counted.packets >= 0
    with pytest.raises(LabError, match="No such file"):
        _ = counted.packets


@pytest.mark.parametrize("where", ["guest", "nowhere", "host:x", "guest:absent"])
def test_a_place_that_is_none_is_refused(lab: Lab, where: str) -> None:
    with pytest.raises(LabError, match=r"counts nothing|no guest"):
        lab.arrivals(where)


def test_a_match_that_is_none_is_refused_in_nfts_words(lab: Lab) -> None:
    with pytest.raises(LabError, match="syntax error"):
        lab.arrivals("lan", "no such thing")
