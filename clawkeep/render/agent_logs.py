"""The guest's log job: its launchd list and its settings. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from clawkeep.nanoclaw.env import Key
from clawkeep.nanoclaw.profile import Profile
from clawkeep.render.plist import property_list

LOGS_LABEL = "com.nanoclaw.logs"
LOG_SETTINGS = "/etc/clawkeep/logs.json"
PROGRAM = "/usr/local/clawkeep/libexec/logs.py"
STATE = "/opt/nanoclaw/state"
FOLDER = f"{STATE}/logs"

OUT, ERRORS, OWN = "nanoclaw.log", "nanoclaw.error.log", "logs.error.log"
"""Files in `FOLDER`: NanoClaw's two streams, and what the log job itself says."""

KEEP: Mapping[str, int] = {
    "file_bytes": 8 << 20,
    "file_s": 86_400,
    "files": 40,
    "total_bytes": 128 << 20,
    "days": 30,
}
"""A file of the cleaned log ends at this size or age; so many are kept, so large, for so long."""

RUNS: Mapping[str, int | str] = {
    "folder": f"{STATE}/groups",
    "files": 200,
    "days": 7,
    "journal_bytes": 5 << 20,
}
"""NanoClaw writes a file for each run into its group's folder, and 1.1 never removes one; the
runtime's journal is renamed away at a size. Source: reference/nanoclaw.md §5, row 3."""


def log_agent(time_zone: str | None = None) -> bytes:
    """Return the LaunchAgent that cleans the logs, next to NanoClaw's own.

    `time_zone` is the TZ of NanoClaw's job: its stamps are in its local time, and ours must be,
    too. None when it has none. Source: reference/nanoclaw.md §1.10.
    """
    own = f"{FOLDER}/{OWN}"
    job: dict[str, Any] = {
        "Label": LOGS_LABEL,
        "ProgramArguments": ["/usr/bin/python3", "-I", PROGRAM, "watch"],
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 30,
        "ProcessType": "Background",
        "WorkingDirectory": STATE,
        "Umask": "077",
        "StandardOutPath": own,
        "StandardErrorPath": own,
    }
    if time_zone:
        job["EnvironmentVariables"] = {"TZ": time_zone}
    return property_list(job)


def log_settings(profile: Profile, keys: Collection[Key]) -> bytes:
    """Return the settings of the log job, as JSON.

    `keys` are all settings of this NanoClaw: the values of those that are no secret stay readable
    in the log, those of all others in `.env` do not.
    """
    settings = {
        "folder": FOLDER,
        "streams": {"out": OUT, "err": ERRORS, "job": OWN},
        "secrets": [f"{STATE}/.env", f"{STATE}/credentials"],
        "plain": sorted(key.name for key in keys if not key.secret),
        "banner": profile.banner,
        "signs": {
            channel.name: [channel.connected, channel.lost]
            for channel in profile.channels
            if channel.connected
        },
        "keep": dict(KEEP),
        "runs": dict(RUNS),
    }
    return (json.dumps(settings, indent=1, sort_keys=True) + "\n").encode()
