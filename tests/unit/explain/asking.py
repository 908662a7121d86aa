"""Asks `explain` in one line, with or without a host."""

from __future__ import annotations

from clawkeep.explain.flow import Step
from clawkeep.explain.host import Host
from clawkeep.explain.question import question
from clawkeep.explain.report import Explanation
from clawkeep.explain.sides import offline, online
from clawkeep.explain.walk import Leg, walk
from clawkeep.model import Keep
from tests.unit.explain.hosts import keep


def explain(asked: str, found: Host | None = None, declared: Keep | None = None) -> Explanation:
    declared = declared or keep()
    sides = offline(declared) if found is None else online(declared, found)
    source, destination = asked.split()
    asks = question(source, destination, sides.declared.openings.doors)
    live = None if sides.live is None else walk(asks, sides.live)
    absent = found is not None and sides.live is None
    return Explanation(asks, walk(asks, sides.declared), live, sides.notes, absent)


def leg(asked: str, declared: Keep | None = None) -> Leg:
    return explain(asked, declared=declared).declared.legs[0]


def step(found: Leg, layer: str) -> Step:
    return next(step for step in found.steps if step.layer == layer)
