"""What may pass on a guest's bridge, as flows, and the proof that exactly that does.

The rules' text is rendered elsewhere; this says the same in another language, from the same
openings, and `clawkeep.pf` compares the two for every packet there is. Rules that are spelt
otherwise, or that somebody put before ours, count by what they let pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from clawkeep.link import Link
from clawkeep.pf import (
    Flow,
    PfSyntaxError,
    Rules,
    Ruleset,
    disturbing,
    parse_rules,
    prove,
    skipped,
)
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT, Openings
from clawkeep.render.anchor import ANCHOR, BRIDGES, WALL
from clawkeep.seen import Seen

METHOD = "proved"

BROADCAST = "255.255.255.255"


def flows(openings: Openings, link: Link) -> Iterator[Flow]:
    """Yield what may pass on the live bridge; TCP flows make a state, so that replies come back."""
    guest, gateway = str(link.guest), str(link.gateway)
    yield _ssh(gateway, str(link.network))
    yield _dhcp(BROADCAST, gateway)
    for door in openings.doors:
        yield _tcp(guest, gateway, door.port)
    if openings.proxy:
        yield _tcp(guest, gateway, PROXY_PORT)
    if openings.resolver:
        yield _tcp(guest, gateway, RESOLVER_PORT)
        yield Flow.of("in", "inet", "udp", guest, gateway, ports=RESOLVER_PORT, state=True)
    for cidr in openings.cidrs:
        for port in openings.ports:
            yield _tcp(guest, cidr, port)


def closed_flows() -> Iterator[Flow]:
    """Yield what may pass on a bridge of which no guest is known: SSH from the host, a lease."""
    yield _ssh("any", "any")
    yield _dhcp(BROADCAST)


def _tcp(guest: str, to: str, port: int) -> Flow:
    return Flow.of("in", "inet", "tcp", guest, to, ports=port, state=True)


def _ssh(gateway: str, network: str) -> Flow:
    return Flow.of("out", "inet", "tcp", gateway, network, ports=22, state=True)


def _dhcp(*servers: str) -> Flow:
    return Flow.of("in", "inet", "udp", "any", servers, source_ports=68, ports=67, state=False)


def _parsed(rules: tuple[str, ...], anchor: str = "") -> Rules:
    return parse_rules("".join(f"{line}\n" for line in rules), anchor=anchor)


@lru_cache(maxsize=4)
def differences(
    seen: Seen, openings: Openings, link: Link | None, *, killed: bool = False
) -> tuple[str, ...]:
    """Return a sentence for each packet that passes and must not, or must and does not.

    `link` is None while everything is closed; `killed` when not even lifelines may pass. Rules
    that cannot be understood prove nothing, which is a difference, too. What the main ruleset does
    after our anchors is left out: they decide on every packet of these bridges, or the proof fails.
    What takes packets past all rules counts, whatever the rules are: `set skip`, and translation.
    """
    allowed = {bridge: () if killed else tuple(closed_flows()) for bridge in BRIDGES}
    if link is not None:
        allowed[link.bridge] = () if killed else tuple(flows(openings, link))
    try:
        ruleset = Ruleset(
            _parsed(seen.until_ours),
            {
                path: _parsed(rules, path)
                for path, rules in ((ANCHOR, seen.doors), (WALL, seen.wall), *seen.before)
            },
        )
        proofs = [
            prove(ruleset, [bridge for bridge in allowed if allowed[bridge] == one], one)
            for one in dict.fromkeys(allowed.values())
        ]
        around = _around(seen, allowed)
    except (PfSyntaxError, ValueError) as error:
        return (f"the rules in force cannot be understood: {error}",)
    return (*around, *(str(one) for proof in proofs for one in proof.differences))


def _around(seen: Seen, allowed: Mapping[str, tuple[Flow, ...]]) -> tuple[str, ...]:
    """Say what keeps packets of the guests' bridges from the rules, or changes them before."""
    blind = [bridge for bridge in allowed if any(skipped(name, bridge) for name in seen.skipped)]
    words = [f"pf does not look at {', '.join(blind)} (set skip)"] if blind else []
    texts = dict(seen.nat)
    words += [one for bridge in allowed for one in disturbing(texts, bridge, allowed[bridge])]
    # A rule for any interface concerns all bridges, and is said once.
    return tuple(dict.fromkeys(words))
