"""Builds both sides of an explanation: the layers as declared, and as the host has them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clawkeep import expected, ifconfig
from clawkeep.declaration import policy_of
from clawkeep.explain import pf
from clawkeep.explain.host import Host
from clawkeep.explain.layers import Layers
from clawkeep.explain.softnet import SoftnetError, softnet
from clawkeep.link import EXAMPLE, Link
from clawkeep.model import Keep
from clawkeep.pf import AnchorLoopError, disturbing
from clawkeep.policy import Openings, Policy, PolicyError, openings, parse_policy
from clawkeep.render.softnet import softnet_flags
from clawkeep.survey import NEVER, Survey


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


def online(keep: Keep, found: Host) -> Sides:
    """Return both sides; grants, window and clock are the host's."""
    host, notes = _host_policy(keep, found.survey)
    policy = declared_policy(keep)
    if host is not None and host.digest == keep.digest and host.egress.mode == policy.egress.mode:
        # The domains of a package index are known to the host only: it asked its own tools.
        policy = replace(policy, egress=host.egress)
    opened = found.survey.openings(policy)
    damaged = "damaged on the host, so it counts for nothing"
    notes += [f"{damaged}: {text}" for text in found.survey.damage]
    if found.survey.cut_off is not None:
        notes.append(found.survey.cut_off)
    try:
        link = found.link()
    except ifconfig.LinkError as error:
        notes.append(f"nothing is live: {error}; the guest is taken to be {EXAMPLE.guest}")
        declared = _declared(keep, opened, EXAMPLE)
        return Sides(declared, None, tuple(notes))
    declared = replace(_declared(keep, opened, link), host=ifconfig.own(found.interfaces))
    return Sides(declared, _live(keep, opened, link, found), tuple(notes))


def declared_policy(keep: Keep) -> Policy:
    """Return the policy of the declaration; whose guest it is does not matter to a packet."""
    cas = {service.ca: "" for service in keep.services if service.ca}
    return policy_of(keep, owner="", owner_uid=0, owner_home="", cas=cas)


def _declared(keep: Keep, opened: Openings, link: Link) -> Layers:
    flags = softnet(softnet_flags(keep.egress), link.gateway)
    return Layers("declared", link, opened, pf.declared(opened, link), flags)


def _live(keep: Keep, opened: Openings, link: Link, found: Host) -> Layers:
    unknown = {}
    rules = None
    if not found.survey.asked:
        unknown["pf"] = "pf could not be read; the SSH user needs sudo without a password"
    else:
        said, seen = found.survey.parts, found.survey.seen
        try:
            around = disturbing(dict(seen.nat), link.bridge, expected.flows(opened, link))
            rules = pf.live(
                said["info"], said["main"], found.anchors, found.tables, seen.skipped, around
            )
        except (pf.FilterError, AnchorLoopError) as error:
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
        ifconfig.own(found.interfaces),
        found.listeners(link.gateway),
        unknown,
    )


def _host_policy(keep: Keep, found: Survey) -> tuple[Policy | None, list[str]]:
    if not found.asked:
        return None, []  # pf could not be read either, and that is said there.
    if not found.policy:
        return None, ["the host has no policy yet: clawkeep apply network brings it"]
    try:
        policy = parse_policy(found.policy)
    except PolicyError as error:
        return None, [f"the host's policy is damaged: {error}; clawkeep apply network repairs it"]
    if policy.digest == keep.digest:
        return policy, []
    other = f"{policy.digest[:12]}, not {keep.digest[:12]}"
    return policy, [f"the host enforces another declaration ({other}); clawkeep apply network"]
