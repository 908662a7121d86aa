"""The control of all the canary's silences: where nothing forbids, its probes are answered."""

from __future__ import annotations

import json

import pytest

from clawkeep.canary.judge import Witness, judge
from clawkeep.canary.plan import plan
from clawkeep.canary.probe import Decoys, Surroundings
from clawkeep.link import EXAMPLE
from clawkeep.onhost.canary import PROGRAM
from clawkeep.policy import Openings
from lab.lab import Lab
from tests.lab.attacks import stands

pytestmark = pytest.mark.lab


def test_every_kind_of_forbidden_probe_can_succeed_where_nothing_forbids(lab: Lab) -> None:
    guest = stands.plain_guest(lab)
    around = Surroundings(
        decoys=Decoys(22, 53),
        own=("10.0.10.2",),
        gateway6=stands.gateway6(lab),
        lan=("10.0.30.99",),
        targets=(("10.0.30.5", 8123), ("10.0.30.10", 443), ("10.0.30.20", 22)),
    )
    asked = plan(Openings(), EXAMPLE, around, "0123456789abcdef" * 2)
    program = f"{PROGRAM.read_text()}\nmain({json.dumps(asked.questions)!r})\n"
    answered: set[str] = set()
    # A probe has little time: on a busy machine an answer may come in a later run.
    for _ in range(3):
        done = lab.exec(f"guest:{guest.vm}", ["/usr/bin/python3", "-I", "-"], input=program)
        result = judge(asked, done.stdout, Witness({}))
        answered |= {row.name for row in result.probes if row.outcome == "answered"}
    assert answered >= {
        "gateway 192.168.64.1:53/tcp",
        "DNS of the gateway 192.168.64.1:53/udp",
        "gateway 192.168.64.1/icmp",
        "host 10.0.10.2:22/tcp",
        "host 10.0.10.2/icmp",
        "internet 1.1.1.1:443/tcp",
        "internet 8.8.8.8:443/tcp",
        "DNS of the internet 1.1.1.1:53/udp",
        "DNS of the internet 1.1.1.1:53/tcp",
        "internet 1.1.1.1/icmp",
        "internet by name example.com",
        "LAN 10.0.30.99:22/tcp",
        "LAN 10.0.30.99:80/tcp",
        "LAN 10.0.30.99/icmp",
        "bridged service directly 10.0.30.5:8123/tcp",
        "bridged service directly 10.0.30.10:443/tcp",
        "bridged service directly 10.0.30.20:22/tcp",
        f"gateway over IPv6 {around.gateway6}:22/tcp",
    }, sorted(answered)
    assert result.verdict == "red"
