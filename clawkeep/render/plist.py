"""launchd property lists.

Written by plistlib, which gives each key the type that launchd insists on. Standard library only.
Source: reference/macos.md §4.1.
"""

from __future__ import annotations

import plistlib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from clawkeep.policy import BRIDGE_LABEL
from clawkeep.render.bridge import LOG_DIR

VM_LABEL = "com.nanoclaw.vm"
CLAWKEEP = "/opt/clawkeep/bin/clawkeep"
RESTART_AFTER_S = 10
SHUTDOWN_S = 180
"""How long the guest may take to shut down before launchd kills its supervisor."""

NANOCLAW_PATH = "/usr/local/clawkeep/bin:{node}:/opt/homebrew/bin:/usr/bin:/bin:/usr/sbin:/sbin"
"""NanoClaw's: what it takes for Docker is found first, then its Node; launchd has no Homebrew."""

NANOCLAW_THROTTLE_S = 30
"""A NanoClaw that cannot start fails at once, and reconnects to its channels each time."""

NANOCLAW_SHUTDOWN_S = 30
"""It gives its agents ten seconds to end. Source: reference/nanoclaw.md §3.2."""

AGENT_PATH = "/usr/bin:/bin:/usr/sbin:/sbin:/opt/homebrew/bin"
"""launchd's own PATH, then Homebrew's, where tart finds softnet: `sudo` stays the system's."""


def property_list(job: dict[str, Any]) -> bytes:
    """Return a job as an XML property list, its keys in the order given."""
    return plistlib.dumps(job, fmt=plistlib.FMT_XML, sort_keys=False)


def bridge_daemon(
    name: str, user: str, *, clawkeep: str = CLAWKEEP, log_dir: str = LOG_DIR
) -> bytes:
    """Return the LaunchDaemon of the bridge of door `name`: `clawkeep bridge NAME`.

    Constant for a door: gateway, guest and target are looked up when the job starts, so neither a
    new lease nor another target needs a new file. A daemon, because Local Network privacy cuts
    agents off; run by the unprivileged `user`, because whoever owns Homebrew can replace socat.
    `log_dir` must be writable by that user. Source: reference/macos.md §1.7, §3.
    """
    errors = str(PurePosixPath(log_dir) / f"bridge-{name}.err.log")
    return property_list(
        {
            "Label": BRIDGE_LABEL + name,
            "ProgramArguments": [clawkeep, "bridge", name],
            "UserName": user,
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": RESTART_AFTER_S,
            "WorkingDirectory": "/var/empty",
            "Umask": "027",
            "StandardOutPath": errors,
            "StandardErrorPath": errors,
        }
    )


def host_service_daemon(
    label: str, arguments: Sequence[str], *, user: str, log: str, clawkeep: str = CLAWKEEP
) -> bytes:
    """Return the LaunchDaemon of a service on the host: `clawkeep VERB …`, unprivileged.

    `log` must be there, and be the user's.
    """
    return property_list(
        {
            "Label": label,
            "ProgramArguments": [clawkeep, *arguments],
            "UserName": user,
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": RESTART_AFTER_S,
            "WorkingDirectory": "/var/empty",
            "Umask": "077",
            "StandardOutPath": log,
            "StandardErrorPath": log,
        }
    )


def vm_agent(
    guest_name: str,
    *,
    home: str,
    arguments: Sequence[str] = (),
    clawkeep: str = CLAWKEEP,
    path: str = AGENT_PATH,
) -> bytes:
    """Return the LaunchAgent that keeps the guest running: `clawkeep supervise <guest> …`.

    An agent of the auto-login session, since a VM needs the user's unlocked login keychain. It
    runs our supervisor, because tart takes SIGTERM for a power cut and exits 0 after a crash;
    launchd gives it `SHUTDOWN_S` seconds for a clean shutdown of the guest. `home` is the
    session user's home folder; automatic pruning is off, or tart would delete the cached image
    when the disk fills. Source: reference/tart.md §1.2, §1.3, §1.5, §4.
    """
    log = str(PurePosixPath(home) / "Library/Logs/clawkeep" / f"{guest_name}.log")
    return property_list(
        {
            "Label": VM_LABEL,
            "ProgramArguments": [clawkeep, "supervise", guest_name, *arguments],
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": RESTART_AFTER_S,
            "ExitTimeOut": SHUTDOWN_S,
            "ProcessType": "Interactive",
            "LimitLoadToSessionType": "Aqua",
            "EnvironmentVariables": {"PATH": path, "TART_NO_AUTO_PRUNE": "1"},
            "WorkingDirectory": home,
            "Umask": "077",
            "StandardOutPath": log,
            "StandardErrorPath": log,
        }
    )


def nanoclaw_agent(
    label: str,
    *,
    node: str,
    release: str,
    home: str,
    logs: str,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Return the guest's LaunchAgent of NanoClaw: its Node on the program of one release.

    It names the release itself, not the link to the active one: NanoClaw takes its folder from the
    working directory, with all links followed. `KeepAlive` without conditions, since a failed
    login to a channel ends it with 0. In the GUI session, as osascript and the calendars need.
    `environment` is what it reads from there alone, and the proxy. Source: reference/nanoclaw.md
    §1.3, §1.4, §2.2, §7 (16, 17).
    """
    folder = str(PurePosixPath(node).parent)
    variables = {"PATH": NANOCLAW_PATH.format(node=folder), "HOME": home, **(environment or {})}
    return property_list(
        {
            "Label": label,
            "ProgramArguments": [node, f"{release}/dist/index.js"],
            "WorkingDirectory": release,
            "RunAtLoad": True,
            "KeepAlive": True,
            "ThrottleInterval": NANOCLAW_THROTTLE_S,
            "ExitTimeOut": NANOCLAW_SHUTDOWN_S,
            "LimitLoadToSessionType": "Aqua",
            "EnvironmentVariables": variables,
            "Umask": "077",
            "StandardOutPath": f"{logs}/nanoclaw.log",
            "StandardErrorPath": f"{logs}/nanoclaw.error.log",
        }
    )
