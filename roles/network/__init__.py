"""Phase 1: default-deny in two layers, and one bridge per declared service."""

from __future__ import annotations

from clawkeep.model import Keep
from clawkeep.model.service import LABEL_PREFIX
from roles import launchd
from roles.bundle import Directory, bundle
from roles.network import anchor, bridges, names
from roles.probe import section


def close(keep: Keep) -> None:  # noqa: ARG001 - every phase takes the keep
    """Have the guest's bridges shut before a guest starts; never opens anything."""
    section("anchor")
    bundle(name="Host | the anchor's loader", entries=anchor.files())
    anchor.closed(name="Host | bridges are closed by pf")
    launchd.job(
        name="Host | the anchor is loaded at boot",
        domain=launchd.SYSTEM,
        plist=anchor.DAEMON,
        needs=[anchor.LOADER],
    )


def open_doors(keep: Keep) -> None:
    """Open exactly the declared doors on the live bridge, and remove every other one."""
    section("network")
    bridges.daemon_user(name=f"Host | user {keep.host.bridge_user}", user=keep.host.bridge_user)
    bundle(
        name="Host | folder of the bridges' logs",
        entries=[Directory(bridges.LOG_DIR, "750", keep.host.bridge_user, "wheel")],
    )
    launchd.absent(
        name="Host | bridges no longer declared",
        domain=launchd.SYSTEM,
        prefix=LABEL_PREFIX,
        keep=sorted(keep.bridge_labels),
    )
    anchor.live(name="Host | anchor with the declared doors", keep=keep)
    for service in keep.services:
        bridges.bridge(
            name=f"Host | bridge {service.name} on :{service.port}",
            service=service,
            keep=keep,
        )
    bridges.listening(name="Host | bridges are listening", keep=keep)


def name_services(keep: Keep) -> None:
    """Give the guest the names of its services: it has no DNS."""
    section("network")
    names.hosts(name="Guest | names of the services", services=keep.services)
