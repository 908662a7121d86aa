"""What a declared backup takes, leaves out, and where it goes."""

from __future__ import annotations

from pathlib import Path

from clawkeep.backup.plan import Source, Target
from clawkeep.model import Keep
from clawkeep.render.backup import plan_of
from tests.unit.config.test_backup import declared

REBUILT = {
    "data/ipc", "data/env", "data/circuit-breaker.json", "data/sessions/*/agent-runner-src",
    "data/sessions/*/.claude/debug", "data/sessions/*/.claude/todos",
    "data/sessions/*/.claude/telemetry", "data/sessions/*/.claude/shell-snapshots",
    "data/sessions/*/.claude/statsig", "nanoclaw.pid", "release.json", "**/*.sock",
    "**/.heartbeat", "**/.DS_Store", "**/node_modules",
}  # fmt: skip
LOGS, SECRETS = {"logs", "groups/*/logs"}, {".env", "credentials", "**/.credentials.json"}


def sources(keep: Keep) -> dict[str, Source]:
    assert keep.backup is not None
    return {each.name: each for each in plan_of(keep, keep.backup).sources}


def test_a_folder_is_its_own_target(tmp_path: Path) -> None:
    keep = declared(tmp_path, '"folder": "/Volumes/B/k"')
    assert keep.backup is not None
    assert plan_of(keep, keep.backup).target == Target("/Volumes/B/k")


def test_what_can_be_made_again_and_what_is_secret_stays_out(tmp_path: Path) -> None:
    found = sources(declared(tmp_path, '"folder": "/V/k"', '"guest_paths": ["~/a", "~/b"]'))
    assert {name: (each.where, each.root) for name, each in found.items()} == {
        "host": ("host", "/opt/clawkeep"),
        "host-ssh": ("host", "/etc/ssh"),
        "agent": ("guest", "/opt/nanoclaw/state"),
        "settings": ("guest", "~/.config/nanoclaw"),
        "path-1": ("guest", "~/a"),
        "path-2": ("guest", "~/b"),
    }
    assert found["host"].only == ("etc", "journal.jsonl", "var")
    assert set(found["host"].skip) == {
        "var/backup", "var/backup.*", "**/.*.new", "etc/backup.key", "etc/backup.ssh", "var/*.log",
    }  # fmt: skip
    assert found["host-ssh"].only == ("ssh_host_*.pub",)
    assert set(found["agent"].skip) == REBUILT | LOGS | SECRETS


def test_logs_and_secrets_are_taken_where_they_are_wanted(tmp_path: Path) -> None:
    found = sources(declared(tmp_path, '"folder": "/V/k"', '"secrets": True', '"logs": True'))
    assert found["host-ssh"].only == ("ssh_host_*",)
    assert "var/*.log" not in found["host"].skip
    assert {"etc/backup.key", "etc/backup.ssh"} <= set(found["host"].skip)
    assert set(found["agent"].skip) == REBUILT
