"""Phase 1: default-deny in two layers, and one bridge per declared service."""

from __future__ import annotations

from clawkeep.model import Keep
from roles import launchd
from roles.base import runtime
from roles.bundle import Directory, bundle
from roles.network import (
    bridges,
    canary,
    clients,
    egress,
    guard,
    hostkeys,
    names,
    resolver,
    traffic,
)
from roles.probe import section


def close(keep: Keep) -> None:
    """Have the guest's bridges shut before a guest starts, and guarded; never opens anything."""
    section("guard")
    policy = guard.declared_policy(keep)
    program = runtime.program()
    user = keep.host.bridge_user
    bridges.daemon_user(name=f"Host | user {user}", user=user)
    bundle(
        name="Host | Clawkeep's own program",
        entries=[*program, Directory(bridges.LOG_DIR, "750", user, "wheel")],
    )
    guard.closed(name="Host | bridges are closed by pf", policy=policy)
    launchd.job(
        name="Host | the guard keeps them so",
        domain=launchd.SYSTEM,
        plist=guard.DAEMON,
        needs=runtime.contents(program),
    )


def open_doors(keep: Keep) -> None:
    """Open exactly the declared doors on the live bridge, and close every other one."""
    section("network")
    policy = guard.declared_policy(keep)
    guard.policy_file(name="Host | policy with the declared doors", keep=keep, policy=policy)
    guard.in_force(name="Host | exactly the declared doors are open", keep=keep, policy=policy)
    bridges.jobs(name="Host | bridges of the services", keep=keep)
    bridges.listening(name="Host | bridges are listening", keep=keep)
    canary.schedule(name="Host | the canary looks from inside the guest")
    traffic.collected(name="Host | the traffic log is written")
    hostkeys.pinned(name="Host | SSH host keys of the services", keep=keep)


def name_services(keep: Keep) -> None:
    """Give the guest the names of its services, and its clients what they need to know of them."""
    section("network")
    by_file = keep.services if keep.decisions.dns == "hosts" else ()
    names.hosts(name="Guest | names of the services", services=by_file)
    resolver.files(name="Guest | names that the resolver knows", keep=keep)
    clients.settings(
        name="Guest | clients know the services", keep=keep, cas=guard.certificates(keep)
    )
    egress.environment(name="Guest | programs know of the proxy", keep=keep)
