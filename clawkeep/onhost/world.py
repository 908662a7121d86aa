"""What the host's files say (policy, grants, window, link), and how programs are run there.

Every program has a time limit: most are run with the host's lock held.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from clawkeep.link import Link
from clawkeep.onhost import paths, store
from clawkeep.policy import (
    Door,
    Policy,
    PolicyError,
    Window,
    parse_grants,
    parse_policy,
    parse_window,
)

ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
STAFF = 20

#: Seconds that a program may take.
LIMIT_S = 20

#: Seconds that a provisioning window may be open.
LONGEST_WINDOW_S = 3600


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
    """Return the window on record, None when there is none. Raises PolicyError.

    One that does not end within LONGEST_WINDOW_S of its beginning is damaged: nobody could have
    opened it.
    """
    text = store.read(paths.WINDOW)
    if text is None:
        return None
    found = parse_window(text)
    span = found.until - found.since
    if not (math.isfinite(span) and 0 < span <= LONGEST_WINDOW_S):
        raise PolicyError(f"window: it ends {span:.0f} s after its beginning, not within an hour")
    return found


def link() -> Link | None:
    """Return the link that the guard has recorded: the daemons' bridge, gateway and guest."""
    try:
        return link_from(json.loads(store.read(paths.LINK) or "null"))
    except ValueError:
        return None


def link_from(values: Any) -> Link | None:
    """Return the link of `link_values`, None for anything else."""
    try:
        return Link.of(values["bridge"], values["gateway"], values["prefix"], values["guest"])
    except (KeyError, ValueError, TypeError):
        return None


def link_values(link: Link) -> dict[str, str]:
    """Return a link as it is kept in link.json and enforced.json."""
    values = {name: str(value) for name, value in asdict(link).items() if name != "network"}
    return {**values, "prefix": str(link.network.prefixlen)}


def link_text(link: Link) -> str:
    """Return link.json."""
    return json.dumps(link_values(link)) + "\n"


def run(
    command: Sequence[str], *, text: str | None = None, timeout_s: float = LIMIT_S, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program with `text` on its stdin; one that is killed at its limit has children left.

    As we are, in a bare environment; `options` are subprocess's own, such as `as_user` returns.
    Raises OSError, TimeoutExpired.
    """
    return subprocess.run(
        list(command),
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
        **{"env": ENVIRONMENT, **options},
    )


def as_user(uid: int, gid: int, **more: Any) -> dict[str, Any]:
    """Return subprocess's options to run a program as somebody else, which only root can.

    Without a terminal: what runs there must not type into the administrator's shell.
    """
    options: dict[str, Any] = {"cwd": "/", "start_new_session": True, **more}
    if os.geteuid() == 0:
        # nobody's group may be -2, which setgid(2) takes as it is.
        options |= {"user": uid, "group": gid & 0xFFFFFFFF, "extra_groups": []}
    return options


def owner(policy: Policy) -> dict[str, Any]:
    """Return subprocess's options to run a program as the user who owns the guest."""
    names = {"HOME": policy.owner_home, "USER": policy.owner, "LOGNAME": policy.owner}
    return as_user(policy.owner_uid, STAFF, env={**ENVIRONMENT, **names})


def as_owner(
    policy: Policy, command: Sequence[str], *, text: str | None = None, timeout_s: float = LIMIT_S
) -> subprocess.CompletedProcess[str]:
    """Run a command as the user who owns the guest: `tart` and all below /opt/homebrew.

    Root never runs those itself. Raises OSError, TimeoutExpired.
    """
    return run(command, text=text, timeout_s=timeout_s, **owner(policy))
