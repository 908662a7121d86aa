"""The evaluator against real packets: random rules, and what they let through in the lab."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clawkeep.pf import Packet, Ruleset, evaluate, parse_rules, passing
from tests.lab.pf_world import GATEWAY, GATEWAY6, GUEST, GUEST6, World, world

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]
SEED, SETS = 20261121, 20
PORTS = (1001, 1002, 1003)
ANCHORS = ("com.apple/000.a", "com.apple/500.b")
# Without its neighbours a guest has no IPv6 at all, whatever the rules say of its connections.
# The table is the main ruleset's: that of an anchor is not seen from the anchors inside it.
MAIN = """\
table <some> { 192.168.64.0/29, !192.168.64.1, fd64::/64 }
pass quick inet6 proto ipv6-icmp
anchor "com.apple/*"
"""


@dataclass(frozen=True)
class Probe:
    """A flow that is tried, its first packet, and how to see that it came through."""

    packet: Packet
    seen: Callable[[], bool]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(Path(tmp_path_factory.mktemp("pf"))) as made:
        yield made


def probes(net: World) -> list[Probe]:
    """What the guest tries on the gateway, and the host on the guest."""
    found = []
    for source, target in ((GUEST, GATEWAY), (GUEST6, GATEWAY6)):
        for port in PORTS:
            net.listen("host", target, port)
            found.append(_tcp(net, "guest", source, target, port))
    server = net.udp_server("host", GATEWAY, PORTS[0])
    server.settimeout(0.2)
    packet = Packet.of(
        "bridge100", "in", "udp", GUEST, GATEWAY, source_port=50000, destination_port=PORTS[0]
    )
    found.append(Probe(packet, lambda: net.udp("guest", server, GATEWAY, PORTS[0]) == "answer"))
    echo = Packet.of("bridge100", "in", "icmp", GUEST, GATEWAY, icmp=(8, 0))
    found.append(Probe(echo, lambda: net.ping("guest", GATEWAY)))
    net.listen("guest", GUEST, PORTS[0])
    found.append(_tcp(net, "host", GATEWAY, GUEST, PORTS[0]))
    return found


def _tcp(net: World, where: str, source: str, target: str, port: int) -> Probe:
    packet = Packet.of(
        "bridge100", "in" if where == "guest" else "out", "tcp", source, target,
        source_port=50000, destination_port=port,
    )  # fmt: skip
    return Probe(packet, lambda: net.tcp(where, target, port) == "open")


def rules(chance: random.Random, way: str, depth: int = 0) -> str:
    """Some rules in one direction, so that the answers of a flow are none of their business."""
    lines = []
    for _ in range(chance.randint(1, 5)):
        if depth < 1 and chance.random() < 0.2:
            quick = chance.choice(["", "quick"])
            body = rules(chance, way, depth + 1)
            lines.append(f"anchor {way} {quick} {_where(chance)} {{\n{body}}}")
            continue
        action = chance.choice(["pass", "pass", "block return", "block return"])
        words = [action, way, chance.choice(["", "", "quick"]), _where(chance)]
        if action == "pass":
            words.append(chance.choice(["", "", "no state", "flags any"]))
        line = " ".join(words)
        tcp = "proto tcp" in line or "proto" not in line
        lines.append(line if tcp else line.replace("flags any", ""))
    return "".join(f"{line}\n" for line in lines)


def _where(chance: random.Random) -> str:
    family = chance.choice(["", "inet", "inet6"])
    protocols = ["", "proto tcp", "proto udp", "proto { tcp udp }", "proto icmp"]
    protocol = chance.choice(protocols[: 4 if family == "inet6" else 5])
    four = ["any", GUEST, f"! {GUEST}", "192.168.64.0/24", "<some>", "! <some>"]
    six = ["any", GUEST6, "fd64::/64", "<some>"]
    sides = {"": ["any", "<some>"], "inet": four, "inet6": six}[family]
    target = chance.choice([*sides, GATEWAY] if family == "inet" else sides)
    if "tcp" in protocol or "udp" in protocol:
        ports = ["port 1001", "port 1001:1002", "port != 1002", "port > 1001", "port 1000 >< 1002"]
        target += f" {chance.choice([*ports, ''])}"
    on = chance.choice(["", "on bridge100", "on bridge100", "on ! en0", "on en0"])
    return f"{on} {family} {protocol} from {chance.choice(sides)} to {target}"


def test_the_evaluator_says_what_packets_meet(net: World) -> None:
    chance = random.Random(SEED)
    net.main(MAIN)
    assert net.pfctl("-e").returncode == 0
    outcomes: set[tuple[str, int, bool]] = set()
    for number in range(SETS):
        way = chance.choice(["in", "in", "out"])
        texts = {name: rules(chance, way) for name in ANCHORS}
        for name, text in texts.items():
            net.load(text, name)
        assert net.pfctl("-F", "states").returncode == 0
        anchors = {name: parse_rules(text, anchor=name) for name, text in texts.items()}
        ruleset = Ruleset(parse_rules(MAIN), anchors)
        flows = passing(ruleset, "bridge100")
        net.hang_up()
        for probe in (one for one in probes(net) if one.packet.direction == way):
            verdict = evaluate(ruleset, probe.packet)
            sample = f"set {number} of seed {SEED}: {probe.packet}\n{texts}\n{verdict.decided}"
            assert verdict.certain, sample
            assert probe.seen() == verdict.passes, sample
            assert any(flow.holds(probe.packet) for flow in flows) == verdict.passes, sample
            outcomes.add((probe.packet.direction, probe.packet.protocol, verdict.passes))
    # The control: each kind of flow was both let through and refused.
    assert {outcome[:2] for outcome in outcomes if outcome[2]} == {
        outcome[:2] for outcome in outcomes if not outcome[2]
    }


def test_what_pfctl_prints_reads_as_what_was_written(net: World) -> None:
    chance = random.Random(SEED)
    net.main(MAIN)
    for _ in range(6):
        text = rules(chance, "in", depth=1)
        net.load(text, "com.apple/999.printed")
        printed = net.pfctl("-a", "com.apple/999.printed", "-sr").stdout
        assert parse_rules(printed) == parse_rules(text)
        assert parse_rules(text).printed() == printed
