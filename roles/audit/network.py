"""What the network must be: rules, listeners, processes, and what is reached from inside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from clawkeep.audit.check import Check, Machine
from clawkeep.audit.scene import Scene
from clawkeep.model import Keep
from clawkeep.policy import PROXY_PORT, RESOLVER_PORT, WHISPER_AT, Policy
from clawkeep.render.anchor import ANCHOR, WALL
from clawkeep.render.bridge import bridge_argv, process_mark
from clawkeep.render.tart_run import tart_run
from clawkeep.skills.wanted import wanted
from roles.audit.host import policy
from roles.base import runtime
from roles.network.hostkeys import PINS

HOST, GUEST = Machine.HOST, Machine.GUEST
SOMEWHERE = IPv4Address("0.0.0.0")  # noqa: S104 - stands for an address that only the host knows

INTERNET = (("1.1.1.1", 443), ("8.8.8.8", 53), ("9.9.9.9", 443), ("2606:4700:4700::1111", 443))
"""Whom everybody can reach who can reach the internet."""

NEVER_OPEN = (22, 445, 548, 5900)
"""Ports that a Mac is likely to listen on: SSH, files, the screen."""


def checks(keep: Keep, scene: Scene) -> Iterator[Check]:
    """Yield the checks of the network of host and guest."""
    declared = policy(keep, scene)
    yield from _rules(declared, scene)
    yield from _listeners(keep, scene, declared)
    yield from _processes(keep, scene, declared)
    yield from _reach(keep, scene)
    for service in keep.services:
        if service.kind == "ssh":
            yield Check(
                HOST, "prints", f"SSH host key of {service.name}", "pinned for its target",
                {"command": f"cut -d ' ' -f 1,4 {PINS}", "well": "pinned",
                 "has": [f"{service.name} {service.target}"]},
            )  # fmt: skip


def _rules(declared: Policy, scene: Scene) -> Iterator[Check]:
    parts = {
        "enabled": ("pf", "enabled"),
        "evaluated": ("main ruleset", "a line for com.apple/*"),
        "wall": (WALL, "exactly the wall's rules"),
        "doors": (ANCHOR, "exactly the rules of what is declared and granted"),
        "proof": (
            "all rules",
            "exactly what is declared and granted passes, proved over all rules",
        ),
    }
    for part, (target, says) in parts.items():
        needs_link = part in {"doors", "proof"}
        expected = {"part": part, "policy": declared, "link": scene.link}
        yield Check(HOST, "rules", target, says, expected, scene.why_no_link if needs_link else "")
    says = "each with an end, a reason and a name"
    yield Check(HOST, "grants", "doors open for a time", says, {"policy": declared})


def _listeners(keep: Keep, scene: Scene, declared: Policy) -> Iterator[Check]:
    user = keep.host.bridge_user
    wanted_there: dict[str, tuple[str, int, str]] = {
        service.name: (scene.gateway, service.port, user) for service in keep.services
    }
    if keep.egress.mode == "domains":
        wanted_there["proxy"] = (scene.gateway, PROXY_PORT, user)
    if keep.decisions.dns == "resolver":
        wanted_there["resolver"] = (scene.gateway, RESOLVER_PORT, user)
    for skill in wanted(keep):
        if skill.wants.host:
            wanted_there[skill.name] = (*WHISPER_AT, skill.wants.host.user)
    for name, (address, port, owner) in wanted_there.items():
        on_gateway = address == scene.gateway
        where = f"the gateway's port {port}" if on_gateway else f"{address}:{port}"
        yield Check(
            HOST, "listener", name, f"{owner} listens on {where}",
            {"host": address, "port": port, "user": owner}, scene.why_no_link,
        )  # fmt: skip
    known = [f"{address}:{port}" for address, port, _ in wanted_there.values()]
    # The window for building, which closes by itself.
    known.append(f"{scene.gateway}:{PROXY_PORT}")
    says = "nothing else listens but macOS's own programs"
    yield Check(
        HOST, "listeners", "TCP", says,
        {"known": known, "policy": declared, "gateway": scene.gateway}, scene.why_no_link,
    )  # fmt: skip
    agents = list(keep.agent.agent_users) if keep.agent else []
    yield Check(GUEST, "listeners", "TCP", f"{says}, and agents", {"known": [], "users": agents})


def _processes(keep: Keep, scene: Scene, declared: Policy) -> Iterator[Check]:
    for door in declared.doors:
        unknown, expected = scene.why_no_link, {}
        if scene.link:
            expected = {
                "find": f"socat .*{re.escape(process_mark(door.name))} ",
                "args": f"{_bridge(door, scene)}$",
                "user": keep.host.bridge_user,
            }
        says = f"socat from the gateway's port {door.port} to {door.target}, for the guest alone"
        yield Check(HOST, "process", f"bridge {door.name}", says, expected, unknown)
    run = " ".join(tart_run(keep.sharing_guest, keep.egress, home=scene.home, tart="tart"))
    yield Check(
        HOST, "process", "tart run", f"exactly `{run}`",
        {"find": rf"tart run .*{re.escape(keep.guest.name)}$", "args": rf"/{re.escape(run)}$",
         "user": scene.owner}, scene.why_no_link,
    )  # fmt: skip
    softnet = re.escape(f"{runtime.LIBEXEC}/softnet")
    yield Check(
        HOST, "process", "softnet", "root's own copy, which blocks 0.0.0.0/0",
        {"find": r"softnet --vm-fd", "args": rf"{softnet} .*--block 0\.0\.0\.0/0"},
        scene.why_no_link,
    )  # fmt: skip


def _bridge(door: Any, scene: Scene) -> str:
    """Return the pattern of a bridge's argv; where a name leads, only the host knows."""
    assert scene.link is not None  # noqa: S101 - asked by the caller
    try:
        address = IPv4Address(door.target_host)
    except ValueError:
        address = SOMEWHERE
    text = re.escape(" ".join(bridge_argv(door, scene.link, address)))
    somewhere = re.escape(f"TCP4:{SOMEWHERE}:")
    return text.replace(somewhere, r"TCP4:[0-9.]+:") if address == SOMEWHERE else text


def _reach(keep: Keep, scene: Scene) -> Iterator[Check]:
    doors = [[scene.gateway, service.port] for service in keep.services]
    if keep.egress.mode == "domains":
        doors.append([scene.gateway, PROXY_PORT])
    allowed = (
        [ip_network(cidr) for cidr in keep.egress.cidrs] if keep.egress.mode == "cidrs" else []
    )
    internet = [
        [address, port]
        for address, port in INTERNET
        if not any(ip_address(address) in network for network in allowed)
    ]
    lan = [[s.target.host, s.target.port] for s in keep.services if s.target.address]
    ports = {service.port for service in keep.services}
    around = [[scene.gateway, port] for port in NEVER_OPEN if port not in ports]
    every = [*doors, *internet, *around, *lan]
    why = scene.why_no_link
    if not why and not doors:
        why = "no door is declared that could show that the guest reaches anything"
    for target, says, closed in (
        ("internet", "none of its best known addresses is reached", internet),
        ("host and LAN", "neither the host's ports nor a target past its bridge", [*around, *lan]),
    ):
        yield Check(
            GUEST, "reach", target, says, {"open": doors, "closed": closed, "every": every}, why
        )
