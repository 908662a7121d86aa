"""The property lists of the jobs that look after the keep: right keys, nothing else."""

from __future__ import annotations

import json
import plistlib

from clawkeep.nanoclaw.env import Key
from clawkeep.nanoclaw.profile import PROFILES
from clawkeep.render import agent_logs, agent_tools, backup, health, snapshots
from clawkeep.render.plist import host_service_daemon

CLAWKEEP = "/opt/clawkeep/bin/clawkeep"
LOGS = "/opt/nanoclaw/state/logs"
IN_THE_GUEST = {
    "RunAtLoad": True,
    "KeepAlive": True,
    "ThrottleInterval": 30,
    "WorkingDirectory": "/opt/nanoclaw/state",
    "Umask": "077",
    "StandardOutPath": f"{LOGS}/logs.error.log",
    "StandardErrorPath": f"{LOGS}/logs.error.log",
}


def test_the_watcher_comes_back_however_it_ends() -> None:
    assert plistlib.loads(health.DAEMON) == {
        "Label": "com.nanoclaw.health",
        "ProgramArguments": [CLAWKEEP, "health", "run"],
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 5,
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": "/opt/clawkeep/var/health.err.log",
    }


def test_snapshots_are_asked_for_every_minute_and_may_take_time_to_end() -> None:
    assert plistlib.loads(snapshots.DAEMON) == {
        "Label": "com.nanoclaw.snapshots",
        "ProgramArguments": [CLAWKEEP, "snapshot", "tick"],
        "RunAtLoad": True,
        "StartInterval": 60,
        "ExitTimeOut": 300,
        "ProcessType": "Background",
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": "/opt/clawkeep/var/snapshots.err.log",
    }


def test_backups_are_asked_for_every_minute_with_what_the_disk_leaves() -> None:
    assert plistlib.loads(backup.DAEMON) == {
        "Label": "com.nanoclaw.backup",
        "ProgramArguments": [CLAWKEEP, "backup", "tick"],
        "RunAtLoad": True,
        "StartInterval": 60,
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": "/opt/clawkeep/var/backup.err.log",
    }


def test_the_log_job_and_the_tool_server_run_beside_nanoclaw() -> None:
    assert plistlib.loads(agent_logs.log_agent("Europe/Berlin")) == IN_THE_GUEST | {
        "Label": "com.nanoclaw.logs",
        "ProgramArguments": [
            "/usr/bin/python3", "-I", "/usr/local/clawkeep/libexec/logs.py", "watch",
        ],
        "ProcessType": "Background",
        "EnvironmentVariables": {"TZ": "Europe/Berlin"},
    }  # fmt: skip
    assert "EnvironmentVariables" not in plistlib.loads(agent_logs.log_agent())
    assert plistlib.loads(agent_tools.tools_agent()) == IN_THE_GUEST | {
        "Label": "com.nanoclaw.tools",
        "ProgramArguments": ["/usr/bin/python3", "-IS", "/usr/local/clawkeep/libexec/tools"],
        "LimitLoadToSessionType": "Aqua",
    }


def test_a_service_of_the_host_is_unprivileged() -> None:
    assert plistlib.loads(host_service_daemon("com.x", ["run", "x"], user="_x", log="/x.log")) == {
        "Label": "com.x",
        "ProgramArguments": [CLAWKEEP, "run", "x"],
        "UserName": "_x",
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 10,
        "WorkingDirectory": "/var/empty",
        "Umask": "077",
        "StandardOutPath": "/x.log",
        "StandardErrorPath": "/x.log",
    }


def test_the_log_job_knows_where_all_is_and_what_may_be_read() -> None:
    profile = next(iter(PROFILES.values()))
    keys = [Key("TZ", ".env"), Key("API_KEY", ".env", secret=True), Key("LOG", ".env")]
    settings = json.loads(agent_logs.log_settings(profile, keys))
    signs = settings.pop("signs")
    assert set(signs) == {c.name for c in profile.channels if c.connected}
    assert settings == {
        "folder": LOGS,
        "streams": {
            "out": "nanoclaw.log", "err": "nanoclaw.error.log", "job": "logs.error.log",
        },
        "secrets": ["/opt/nanoclaw/state/.env", "/opt/nanoclaw/state/credentials"],
        "plain": ["LOG", "TZ"],
        "banner": profile.banner,
        "keep": {
            "file_bytes": 8388608, "file_s": 86400, "files": 40, "total_bytes": 134217728,
            "days": 30,
        },
        "runs": {
            "folder": "/opt/nanoclaw/state/groups", "files": 200, "days": 7,
            "journal_bytes": 5242880,
        },
    }  # fmt: skip
