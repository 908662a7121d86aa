"""What the host's programs and files say right now: policy, grants, window, link, openings.

Whatever cannot be read counts as closed: a broken grants file grants nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict

from clawkeep import ifconfig, tart
from clawkeep.link import Link
from clawkeep.onhost import clock, paths, store
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
)

ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}


def policy() -> Policy:
    """Return the policy. Raises PolicyError, also when the host has none yet."""
    text = store.read(paths.POLICY)
    if text is None:
        raise PolicyError(f"{paths.POLICY} is missing: converge the network phase first")
    return parse_policy(text)


def grants() -> tuple[Door, ...]:
    """Return all grants on record, ended ones too. Raises PolicyError for a damaged file."""
    text = store.read(paths.GRANTS)
    return () if text is None else parse_grants(text)


def window() -> Window | None:
    """Return the window on record, None when there is none. Raises PolicyError."""
    text = store.read(paths.WINDOW)
    return None if text is None else parse_window(text)


def open_now(now: float | None = None) -> Openings:
    """Return what is open at this moment. Raises PolicyError when there is no valid policy."""
    moment = clock.now() if now is None else now
    try:
        granted: tuple[Door, ...] = grants()
    except PolicyError as error:
        store.event("damaged", f"{paths.GRANTS}: {error}; no grant counts")
        granted = ()
    try:
        built = window()
    except PolicyError as error:
        store.event("damaged", f"{paths.WINDOW}: {error}; the window is closed")
        built = None
    return openings(policy(), granted, built, now=moment)


def link() -> Link | None:
    """Return the link that the guard has recorded: the daemons' bridge, gateway and guest."""
    text = store.read(paths.LINK)
    if text is None:
        return None
    try:
        values = json.loads(text)
        return Link.of(values["bridge"], values["gateway"], values["prefix"], values["guest"])
    except (ValueError, KeyError, TypeError):
        return None


def link_text(link: Link) -> str:
    """Return link.json."""
    values = {name: str(value) for name, value in asdict(link).items() if name != "network"}
    return json.dumps({**values, "prefix": str(link.network.prefixlen)}) + "\n"


def run(
    command: Sequence[str], *, text: str | None = None, timeout_s: float = 20
) -> subprocess.CompletedProcess[str]:
    """Run one of the system's own programs as we are. Raises OSError, TimeoutExpired."""
    return subprocess.run(
        list(command),
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        env=ENVIRONMENT,
        check=False,
    )


def as_owner(
    policy: Policy, command: Sequence[str], *, text: str | None = None, timeout_s: float = 20
) -> subprocess.CompletedProcess[str]:
    """Run a command as the user who owns the guest: `tart` and all below /opt/homebrew.

    Root never runs those itself. Raises OSError, TimeoutExpired.
    """
    environment = {
        **ENVIRONMENT, "HOME": policy.owner_home, "USER": policy.owner, "LOGNAME": policy.owner
    }  # fmt: skip
    root = os.geteuid() == 0
    return subprocess.run(
        list(command),
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        env=environment,
        cwd="/",
        user=policy.owner_uid if root else None,
        group=20 if root else None,  # staff
        extra_groups=[] if root else None,
        start_new_session=True,
        check=False,
    )


def live_link(policy: Policy) -> Link:
    """Find the running guest's link. Raises LinkError when it has none, OSError, TimeoutExpired.

    tart and the guest's agent are asked as the owner; the answer counts only when a vmnet bridge
    carries the address (reference/tart.md §2.5).
    """
    state = as_owner(policy, tart.list_local()).stdout
    try:
        running = any(vm.name == policy.guest and vm.running for vm in tart.parse_list(state))
    except tart.TartError as error:
        raise ifconfig.LinkError(f"tart list: {error}") from error
    if not running:
        raise ifconfig.LinkError(f"{policy.guest} is not running")
    words = as_owner(policy, ["/bin/sh", "-c", tart.address(policy.guest)]).stdout.split()
    if len(words) != 2:
        raise ifconfig.LinkError("tart knows no address of the guest yet")
    return ifconfig.link(run(["/sbin/ifconfig"]).stdout, words[0])
