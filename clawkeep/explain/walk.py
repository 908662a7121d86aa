"""Takes one question through the layers of one side, leg by leg, and says who decides.

Every layer is asked on its own, also behind one that refuses already: the point of two walls is
that each of them holds without the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from clawkeep.explain import behind
from clawkeep.explain.flow import Flow, Says, Step
from clawkeep.explain.layers import Layers
from clawkeep.explain.pf import FilterError
from clawkeep.explain.question import Question, address_of
from clawkeep.explain.softnet import Address, Decision
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT

EXAMPLES = tuple(map(IPv4Address, ("1.1.1.1", "8.8.8.8", "9.9.9.9", "208.67.222.222")))
"""Addresses that stand for `internet`: the first that no declared network holds."""


@dataclass(frozen=True)
class Leg:
    """One flow, and what each layer says to it."""

    about: str
    flow: Flow
    steps: tuple[Step, ...]

    @property
    def says(self) -> Says:
        """One refusal is enough; then one layer that nobody could read."""
        said = {step.says for step in self.steps if step.counts}
        if "refuses" in said:
            return "refuses"
        return "unknown" if "unknown" in said else "passes"

    @property
    def decider(self) -> Step | None:
        """The first step that refuses, None when none does."""
        return next((s for s in self.steps if s.counts and s.says == "refuses"), None)


@dataclass(frozen=True)
class Answer:
    """What becomes of a question: `need` says whether all legs must pass, or one of them."""

    legs: tuple[Leg, ...]
    need: Literal["all", "any"] = "all"
    notes: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool | None:
        """Whether the destination is reached; None when that is not known."""
        said = [leg.says for leg in self.legs]
        strong, weak = ("refuses", "passes") if self.need == "all" else ("passes", "refuses")
        if strong in said:
            return strong == "passes"
        return None if "unknown" in said else weak == "passes"


def walk(asked: Question, layers: Layers) -> Answer:
    """Return the answer of one side to a question."""
    link = layers.link
    if asked.kind == "guest":
        source = link.gateway if asked.source == "host" else IPv4Address(asked.source)
        return Answer((_inward(asked, layers, source),))
    if asked.kind == "name":
        return _by_name(asked, layers)
    if asked.kind == "host":
        if not layers.host:
            return _outward(asked, layers, [IPv4Address("192.168.1.10")], "an example: ")
        return _outward(asked, layers, layers.host)
    destination: Address
    if asked.kind in {"door", "gateway"}:
        destination = link.gateway
    elif asked.kind == "internet":
        destination = internet(layers)
    else:
        destination = address_of(asked.value)
    return _outward(asked, layers, [destination])


def internet(layers: Layers) -> IPv4Address:
    """Return an address that stands for the internet at large."""
    networks = [IPv4Network(cidr) for cidr in layers.openings.cidrs]
    free = (a for a in EXAMPLES if not any(a in network for network in networks))
    return next(free, EXAMPLES[0])


def _outward(
    asked: Question,
    layers: Layers,
    destinations: list[Address] | tuple[Address, ...],
    how: str = "",
) -> Answer:
    legs = [
        _leg(layers, d, asked.protocol, asked.port, f"{how}{asked.value}") for d in destinations
    ]
    return Answer(tuple(legs), "any", tuple(_hints(asked, layers, destinations)))


def _hints(
    asked: Question, layers: Layers, destinations: list[Address] | tuple[Address, ...]
) -> Iterator[str]:
    for door in layers.openings.doors:
        if door.target_port == asked.port and any(str(d) == door.target_host for d in destinations):
            yield (
                f"the door {door.name} leads there: the guest asks for gateway:{door.port}, "
                "and the host connects"
            )


def _leg(layers: Layers, to: Address, protocol: str, port: int | None, about: str) -> Leg:
    """Take a packet from the guest through both walls, to what is behind them."""
    source: Address = layers.link.guest if to.version == 4 else behind.GUEST_V6
    flow = Flow("out", source, to, protocol, port)
    return Leg(about, flow, (*_walls(layers, flow), *behind.behind(layers, flow)))


def _walls(layers: Layers, flow: Flow) -> Iterator[Step]:
    yield _at_softnet(layers, flow)
    if flow.way == "out" and behind.neighbour(layers, flow):
        yield from behind.isolation(layers)
        return
    yield from _at_pf(layers, flow)


def _at_softnet(layers: Layers, flow: Flow) -> Step:
    if layers.softnet is None:
        return Step("Softnet", "unknown", "", layers.unknown.get("softnet", "no flags are known"))
    if flow.way == "in":
        return _softnet(layers.softnet.incoming(flow.source))
    return _softnet(
        layers.softnet.outgoing(
            flow.source, flow.destination, flow.protocol, flow.port, lease=layers.link.guest
        )
    )


def _at_pf(layers: Layers, flow: Flow) -> tuple[Step, ...]:
    if layers.pf is None:
        return (Step("pf", "unknown", "", layers.unknown.get("pf", "no rules are known")),)
    try:
        return layers.pf.decide(flow, layers.link.bridge)
    except FilterError as error:
        return (Step("pf", "unknown", "", str(error)),)


def _softnet(decision: Decision) -> Step:
    return Step("Softnet", "passes" if decision.passes else "refuses", decision.by, decision.words)


def _inward(asked: Question, layers: Layers, source: IPv4Address) -> Leg:
    """Take a packet to the guest, and its answer back."""
    flow = Flow("in", source, layers.link.guest, asked.protocol, asked.port)
    # pf sees it first, on its way out of the host.
    steps = [*_at_pf(layers, flow), _at_softnet(layers, flow)]
    if layers.softnet is not None:
        back = _softnet(layers.softnet.outgoing(layers.link.guest, source, asked.protocol))
        words = f"Softnet keeps no states, so the answer is decided too: {back.words}"
        steps.append(replace(back, layer="Softnet, answer", words=words))
    about = "the host" if asked.source == "host" else "another machine, when it routes by this Mac"
    return Leg(about, flow, tuple(steps))


def _by_name(asked: Question, layers: Layers) -> Answer:
    """Say how the guest would get to a name, which is never looked up here."""
    doors = [door for door in layers.openings.doors if door.guest_name == asked.value]
    gateway = layers.link.gateway
    if doors:
        says = f"{asked.value}, by the guest's hosts file the gateway"
        right = [door for door in doors if door.port == asked.port]
        notes = () if right else (f"the door to {asked.value} is its port {doors[0].port}",)
        return Answer((_leg(layers, gateway, asked.protocol, asked.port, says),), "all", notes)
    if layers.openings.proxy:
        return _by_proxy(asked, layers)
    port = RESOLVER_PORT if layers.openings.resolver else 53
    lookup = _leg(layers, gateway, "udp", port, f"the address of {asked.value}, asked by DNS")
    address = internet(layers)
    about = f"{asked.value}, which is not looked up here: {address} stands for its address"
    return Answer((lookup, _leg(layers, address, asked.protocol, asked.port, about)))


def _by_proxy(asked: Question, layers: Layers) -> Answer:
    """With a proxy the guest needs no address: the proxy on the gateway looks the name up."""
    about = f"{asked.value}, by the proxy on the gateway"
    leg = _leg(layers, layers.link.gateway, "tcp", PROXY_PORT, about)
    step = behind.proxy_rule(layers.openings, asked.value, asked.protocol, asked.port)
    notes = ("programs in the guest use the proxy by the variables HTTPS_PROXY and HTTP_PROXY",)
    return Answer((Leg(leg.about, leg.flow, (*leg.steps, step)),), "all", notes)
