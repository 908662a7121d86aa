"""Times the proof that an anchor passes exactly its services: `python -m bench.prover`.

For each number of services: the anchor's text, as it is rendered, is parsed and proved against one
flow per service, under the main ruleset of a Mac that shares its internet. Seconds are CPU time:
one thread, no I/O, so on an idle machine that is wall time. The best of some turns counts.

The last column is t(n) / (n log2 n), over that of 10000 services: it stays near 1 where the growth
is no worse than n log n. A proof that comes out wrong is no result. Exit status: command.py.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.command import Result, parser, run
from bench.report import Target
from bench.series import FailedError
from clawkeep.pf import Flow, Rules, Ruleset, parse_rules, prove

SIZES = (100, 1000, 10_000, 40_000)
BASE = 10_000
ON, GUEST, GATEWAY, NETWORK = "bridge100", "192.168.64.2", "192.168.64.1", "192.168.64.0/24"
OWN, SHARING = "com.apple/000.clawkeep", "com.apple.internet-sharing"
FIRST_PORT = 20_000
MAIN = f'anchor "com.apple/*" all\nanchor "{SHARING}" all\n'
SHARED = "pass on bridge100 all flags any keep state\n"


@dataclass(frozen=True)
class Figure:
    """The best times for one number of services, in seconds of CPU."""

    services: int
    parse: float
    prove: float

    @property
    def total(self) -> float:
        """Parsing and proving."""
        return self.parse + self.prove

    @property
    def growth(self) -> float:
        """Seconds per n log2 n."""
        return self.total / (self.services * math.log2(self.services))


def lines(services: int) -> Iterator[str]:
    """Yield an anchor as clawkeep/render/anchor.py renders it, with so many doors."""
    state = "flags S/SA keep state"
    yield (
        f"pass out quick on {ON} inet proto tcp from {GATEWAY} to {NETWORK} port = 22 {state} "
        'label "clawkeep-ssh"'
    )
    for server in ("255.255.255.255", GATEWAY):
        yield (
            f"pass in quick on {ON} inet proto udp from any port = 68 to {server} port = 67 "
            'no state label "clawkeep-dhcp"'
        )
    for number in range(services):
        yield (
            f"pass in quick on {ON} inet proto tcp from {GUEST} to {GATEWAY} "
            f'port = {FIRST_PORT + number} {state} label "clawkeep-svc-s{number}"'
        )
    yield f'block return in quick on {ON} inet all label "clawkeep-deny4"'
    yield f'block drop in quick on {ON} inet6 all label "clawkeep-deny6"'
    yield f'block drop out quick on {ON} all label "clawkeep-deny-out"'


def declared(services: int) -> list[Flow]:
    """Return what that anchor has to pass, no more and no less."""
    return [
        Flow.of("out", "inet", "tcp", GATEWAY, NETWORK, ports=22, state=True),
        *(
            Flow.of("in", "inet", "udp", "any", one, source_ports=68, ports=67, state=False)
            for one in ("255.255.255.255", GATEWAY)
        ),
        *(
            Flow.of("in", "inet", "tcp", GUEST, GATEWAY, ports=FIRST_PORT + number, state=True)
            for number in range(services)
        ),
    ]


def ruleset(own: Rules) -> Ruleset:
    """Return the rules of a Mac that has this anchor and shares its internet."""
    return Ruleset(parse_rules(MAIN), {OWN: own, SHARING: parse_rules(SHARED)})


def measure(services: int, turns: int) -> Figure:
    """Return the best of some turns. Raises FailedError when the proof is wrong."""
    text, flows = "".join(f"{line}\n" for line in lines(services)), declared(services)
    parsed, proved = [], []
    for _ in range(turns):
        gc.collect()
        started = time.process_time()
        own = parse_rules(text, anchor=OWN)
        middle = time.process_time()
        proof = prove(ruleset(own), [ON], flows)
        proved.append(time.process_time() - middle)
        parsed.append(middle - started)
        if not proof.holds:
            raise FailedError(f"{services} services are not proved: {proof.differences[0]}")
    # The control: a proof that cannot fail proves nothing.
    missing = prove(ruleset(own), [ON], flows[:-1]).differences
    if [one.packet.destination_port for one in missing] != [FIRST_PORT + services - 1]:
        raise FailedError(f"one door too many among {services} went unnoticed")
    return Figure(services, min(parsed), min(proved))


def targets(figures: Sequence[Figure]) -> list[Target]:
    """Return what was promised: seconds for ten thousand, and growth up to the largest."""
    by_size = {one.services: one for one in figures}
    base, last = by_size[BASE], figures[-1]
    return [
        Target("10000 services, parsed and proved [s]", by_size[BASE].total, 2.0),
        Target(f"growth over n log n, {last.services} / {BASE}", last.growth / base.growth, 1.5),
    ]


def table(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield the figures for a terminal."""
    base = next(one.growth for one in figures if one.services == BASE)
    yield f"{'services':>8} {'parse':>9} {'prove':>9} {'total':>9}   t / (n log n)"
    for one in figures:
        yield (
            f"{one.services:8} {one.parse:7.3f} s {one.prove:7.3f} s {one.total:7.3f} s"
            f"   {one.growth / base:13.2f}"
        )


def benchmark(turns: int) -> Result:
    """Return the figures of all sizes. Raises FailedError."""
    figures = [measure(size, turns) for size in SIZES]
    plain = [{**vars(one), "total": one.total} for one in figures]
    return Result(table(figures), targets(figures), plain)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__, turns=3).parse_args(arguments)
    return run(lambda _: benchmark(options.turns), options.json)


if __name__ == "__main__":
    sys.exit(main())
