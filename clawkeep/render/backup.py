"""From the declared backup to the host's plan of it, and to the job that makes it.

What is left out of the agent's state is what can be made again, is somebody else's secret, or would
harm when it came back: messages on their way in `data/ipc` would be sent twice. Source:
reference/nanoclaw.md §3.1.
"""

from __future__ import annotations

from typing import Final

from clawkeep.backup.plan import Plan, Retention, Source, Target
from clawkeep.model import Backup, Keep
from clawkeep.render.plist import CLAWKEEP, property_list

LABEL: Final = "com.nanoclaw.backup"
ERRORS: Final = "/opt/clawkeep/var/backup.err.log"
EVERY_S: Final = 60

AGENT_STATE: Final = "/opt/nanoclaw/state"
REBUILT: Final = (
    "data/ipc",
    "data/env",
    "data/circuit-breaker.json",
    "data/sessions/*/agent-runner-src",
    *(f"data/sessions/*/.claude/{n}"
      for n in ("debug", "todos", "telemetry", "shell-snapshots", "statsig")),
    "nanoclaw.pid",
    "release.json",
    "**/*.sock",
    "**/.heartbeat",
    "**/.DS_Store",
    "**/node_modules",
)  # fmt: skip
LOGS: Final = ("logs", "groups/*/logs")
SECRETS: Final = (".env", "credentials", "**/.credentials.json")

HOST_STATE: Final = ("etc", "journal.jsonl", "var")
HOST_REBUILT: Final = ("var/backup", "var/backup.*", "**/.*.new")
#: Without it nothing opens, so a copy of it inside helps nobody.
HOST_SECRETS: Final = ("etc/backup.key", "etc/backup.ssh")


def plan_of(keep: Keep, backup: Backup) -> Plan:
    """Return what the host is to do."""
    return Plan(
        _target(keep, backup),
        tuple(_sources(backup)),
        keep.guest.user,
        Retention(**backup.keep.model_dump()),
        backup.test_days,
        backup.max_gb,
        backup.at,
    )


def _target(keep: Keep, backup: Backup) -> Target:
    if (server := backup.server) is None:
        return Target(str(backup.folder))
    far = next(s.target for s in keep.services if s.name == server.service)
    return Target(server.path, server.service, far.host, far.port, server.user)


def _sources(backup: Backup) -> list[Source]:
    skip = (*REBUILT, *(() if backup.logs else LOGS), *(() if backup.secrets else SECRETS))
    found = []
    if backup.host:
        ssh = "ssh_host_*" if backup.secrets else "ssh_host_*.pub"
        hidden = (*HOST_REBUILT, *HOST_SECRETS, *(() if backup.logs else ("var/*.log",)))
        found += [
            Source("host", "host", "/opt/clawkeep", HOST_STATE, hidden),
            Source("host-ssh", "host", "/etc/ssh", (ssh,)),
        ]
    if backup.agent:
        found += [
            Source("agent", "guest", AGENT_STATE, skip=skip),
            Source("settings", "guest", "~/.config/nanoclaw"),
        ]
    found += [
        Source(f"path-{number}", "guest", path) for number, path in enumerate(backup.guest_paths, 1)
    ]
    return found


# Root's, as it reads root's files and the key; with the disk's leftovers, so that the guest does
# not wait for it. launchd only ticks: its calendar forgets what a Mac that was off has missed, and
# knows nothing of a backup that failed, or found others at work on the guest.
DAEMON: Final = property_list(
    {
        "Label": LABEL,
        "ProgramArguments": [CLAWKEEP, "backup", "tick"],
        "RunAtLoad": True,
        "StartInterval": EVERY_S,
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": ERRORS,
    }
)
