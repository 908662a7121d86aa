"""Builds both sides of an explanation: the layers as declared, and as the host has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from clawkeep import ifconfig
from clawkeep.explain import pf
from clawkeep.explain.layers import Layers
from clawkeep.explain.softnet import SoftnetError, softnet
from clawkeep.explain.survey import Survey, field_of
from clawkeep.link import Link
from clawkeep.model import Keep
from clawkeep.policy import (
    Door,
    Openings,
    Policy,
    PolicyError,
    Window,
    openings,
    parse_grants,
    parse_policy,
    parse_window,
    policy_of,
)
from clawkeep.render.softnet import softnet_flags

T = TypeVar("T")

EXAMPLE = Link.of("bridge100", "192.168.64.1", "24", "192.168.64.2")
"""Stands for the link while no guest runs: what a first vmnet guest usually gets."""

NEVER = math.inf
"""A time after everything that ends: without a clock, nothing that ends is open."""


@dataclass(frozen=True)
class Sides:
    """The declared layers, the live ones (None when there is nothing live), and what to know."""

    declared: Layers
    live: Layers | None
    notes: tuple[str, ...] = ()


def offline(keep: Keep) -> Sides:
    """Return the declared side alone, with an example link, no grants and no window."""
    taken = f"{EXAMPLE.guest} on {EXAMPLE.bridge}"
    notes = f"offline: the guest is taken to be {taken}; no grant, window or report counts"
    opened = openings(declared_policy(keep), now=NEVER)
    return Sides(_declared(keep, opened, EXAMPLE), None, (notes,))


def online(keep: Keep, found: Survey) -> Sides:
    """Return both sides; grants, window and clock are the host's."""
    host, notes = _host_policy(keep, found)
    policy = declared_policy(keep)
    if host is not None and host.digest == keep.digest and host.egress.mode == policy.egress.mode:
        # The domains of a package index are known to the host only: it asked its own tools.
        policy = replace(policy, egress=host.egress)
    grants: tuple[Door, ...] = _kept(found.grants, parse_grants, (), notes)
    window: Window | None = _kept(found.window, parse_window, None, notes)
    opened = openings(policy, grants, window, now=NEVER if found.now is None else found.now)
    if found.cut is not None:
        why = field_of(found.cut, "why") or "no reason on record"
        notes.append(f"the guard has cut the guest off: {why}")
    try:
        link = found.link()
    except ifconfig.LinkError as error:
        notes.append(f"nothing is live: {error}; the guest is taken to be {EXAMPLE.guest}")
        declared = _declared(keep, opened, EXAMPLE)
        return Sides(declared, None, tuple(notes))
    declared = replace(_declared(keep, opened, link), host=found.host_addresses())
    return Sides(declared, _live(keep, opened, link, found), tuple(notes))


def declared_policy(keep: Keep) -> Policy:
    """Return the policy of the declaration; whose guest it is does not matter to a packet."""
    cas = {service.ca: "" for service in keep.services if service.ca}
    return policy_of(keep, owner="", owner_uid=0, owner_home="", cas=cas)


def _declared(keep: Keep, opened: Openings, link: Link) -> Layers:
    flags = softnet(softnet_flags(keep.egress), link.gateway)
    return Layers("declared", link, opened, pf.declared(opened, link), flags)


def _live(keep: Keep, opened: Openings, link: Link, found: Survey) -> Layers:
    unknown = {}
    rules = None
    if found.pf_info is None or found.main is None:
        unknown["pf"] = "pf could not be read; the SSH user needs sudo without a password"
    else:
        try:
            rules = pf.live(found.pf_info, found.main, found.anchors, found.tables)
        except pf.FilterError as error:
            unknown["pf"] = str(error)
    argv = found.run_argv(keep.guest.name)
    flags = None
    if argv is None:
        unknown["softnet"] = f"no `tart run … {keep.guest.name}` is among the host's processes"
    else:
        try:
            flags = softnet(argv, link.gateway)
        except SoftnetError as error:
            unknown["softnet"] = str(error)
    return Layers(
        "live",
        link,
        opened,
        rules,
        flags,
        found.host_addresses(),
        found.listeners(link.gateway),
        unknown,
    )


def _host_policy(keep: Keep, found: Survey) -> tuple[Policy | None, list[str]]:
    if found.policy is None:
        return None, ["the host has no policy yet: clawkeep apply network brings it"]
    try:
        policy = parse_policy(found.policy)
    except PolicyError as error:
        return None, [f"the host's policy is damaged: {error}; clawkeep apply network repairs it"]
    if policy.digest == keep.digest:
        return policy, []
    other = f"{policy.digest[:12]}, not {keep.digest[:12]}"
    return policy, [f"the host enforces another declaration ({other}); clawkeep apply network"]


def _kept(text: str | None, parse: Callable[[str], T], nothing: T, notes: list[str]) -> T:
    """Read grants or the window; damaged ones count for nothing, as on the host."""
    if text is None:
        return nothing
    try:
        return parse(text)
    except PolicyError as error:
        notes.append(f"damaged on the host, so it counts for nothing: {error}")
        return nothing
