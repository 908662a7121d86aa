"""What the verbs said of a keep, as they print it: one that is well, and changes to it."""

from __future__ import annotations

import copy
import time
from datetime import UTC, datetime
from typing import Any

from clawkeep.overview.sources import SOURCES, Answer, Overview

NOW = time.time()


def _ago(seconds: float) -> str:
    return datetime.fromtimestamp(NOW - seconds, UTC).isoformat(timespec="seconds")


def _probe(name: str, expected: str, outcome: str) -> dict[str, Any]:
    return {
        "name": name, "expected": expected, "outcome": outcome, "evidence": "timed out",
        "ms": 3, "nonce": "ab",
    }  # fmt: skip


def _door(name: str, port: int, target: str, evidence: str, ms: int) -> dict[str, Any]:
    return {
        "name": name, "listen": f"192.168.64.1:{port}", "target": target, "job": "running",
        "listening": True, "probe": True, "evidence": evidence, "ms": ms, "verdict": "well",
    }  # fmt: skip


def _bridge(name: str, port: int, target: str, live: int) -> dict[str, Any]:
    return {
        "name": name, "port": port, "target": target, "until": None, "job": "loaded", "pid": 811,
        "listening": f"192.168.64.1:{port}",
        "connections": [
            {"peer": f"192.168.64.2:{50000 + n}", "since": NOW - 90, "age_s": 90, "bytes": None}
            for n in range(live)
        ],
        "accepted": 1204, "accepted_is_minimum": False, "last_error": None, "last_words": None,
        "held_by": None,
    }  # fmt: skip


def _total(source: str, service: str, connections: int, denied: int = 0) -> dict[str, Any]:
    return {
        "source": source, "service": service, "connections": connections, "failed": 0,
        "denied": denied, "report": 0, "open": 1, "first": NOW - 3600, "last": NOW - 9,
        "bytes_in": None, "bytes_out": None,
    }  # fmt: skip


def _layer(layer: str, value: str, evidence: str = "") -> dict[str, Any]:
    return {
        "layer": layer, "verdict": "well", "value": value, "evidence": evidence, "cause": None,
        "since_s": 86_000.0, "age_s": 12.0,
    }  # fmt: skip


WELL: dict[str, Any] = {
    "status": {
        "host": "mac.lan",
        "guest": {
            "name": "nanoclaw-vm", "state": "running", "address": "192.168.64.2",
            "resolver": "agent", "ssh_ms": 212, "host_key": "as pinned", "error": None,
        },
        "doors": [
            _door("vaultwarden", 18443, "bitwarden.cstrube.de:443",
                  "TLSv1.3, certificate for bitwarden.cstrube.de", 41),
            _door("home-assistant", 18123, "10.0.30.5:8123", "HTTP/1.1 200 OK", 12),
            _door("kubernetes", 16443, "10.0.40.100:6443",
                  "TLSv1.3, certificate for kubernetes, kubernetes.default.svc", 18),
            _door("truenas-ssh", 10022, "10.0.20.10:22", "SSH-2.0-OpenSSH_9.9", 9),
        ],
        "anchor": "in force", "host_error": None,
        "guard": {
            "state": "open", "age_s": 11, "why": "", "proof": "",
            "last_event": "2026-11-21T19:58:04Z repaired: pf was off, and is on",
        },
        "granted": [],
        "agent": {
            "guest": "nanoclaw-vm", "profile": "v1.2", "verdict": "well", "error": "",
            "rows": [
                {"name": "release", "verdict": "well", "value": "v1.2.54",
                 "evidence": "commit 3f1c2a9", "age_s": None},
                {"name": "process", "verdict": "well", "value": "pid 402",
                 "evidence": "launchd's", "age_s": 71_000},
                {"name": "loop", "verdict": "well", "value": "turns", "evidence": "", "age_s": 3},
                {"name": "channel discord", "verdict": "well", "value": "connected",
                 "evidence": "banner", "age_s": 71_000},
            ],
        },
        "verdict": "well",
        "kept": {},
    },
    "health": {
        "guest": "nanoclaw-vm", "verdict": "well", "summary": "well, looked 12 s ago",
        "cause": None, "fix": None, "error": "",
        "watcher": {"pid": 377, "age_s": 12.0, "problem": ""},
        "layers": [
            _layer("host", "212 GB free", "softnet is SUID"),
            _layer("guest", "running", "1 starts in 15 min"),
            _layer("address", "192.168.64.2", "by tart's agent"),
            _layer("loop", "turns"),
            _layer("disk", "31.2 GB free of 50"),
        ],
        "repairs": {
            "tried": [], "acted": 0.0, "cause": "", "well_since": NOW - 900, "stopped": 0.0,
            "history": [[NOW - 7200, "process"]],
        },
        "says": "", "hold": "", "took_ms": 840,
        "samples": [
            {"t": NOW - 30 * (120 - n), "load": 1.2 + (n % 17) / 9,
             "memory_free_percent": 60 - n // 3, "disk_free_bytes": 31.2e9 - n * 1e6}
            for n in range(120)
        ],
    },
    "bridges": {
        "gateway": "192.168.64.1",
        "bridges": [
            _bridge("vaultwarden", 18443, "bitwarden.cstrube.de:443", 0),
            _bridge("home-assistant", 18123, "10.0.30.5:8123", 2),
            _bridge("kubernetes", 16443, "10.0.40.100:6443", 1),
            _bridge("truenas-ssh", 10022, "10.0.20.10:22", 0),
        ],
        "others": [],
    },
    "day": {
        "day": "2026-11-21", "denied": 4, "packets_refused": 31,
        "totals": [
            _total("bridge", "home-assistant", 412), _total("bridge", "kubernetes", 87),
            _total("bridge", "vaultwarden", 96), _total("proxy", "proxy", 1830, 4),
            _total("pf", "wall", 0, 31),
        ],
        "targets": [{"target": "api.anthropic.com:443", "count": 1702},
                    {"target": "github.com:443", "count": 61}],
        "denied_targets": [{"target": "example.org:443", "count": 4}],
    },
    "denied": [
        {"time": NOW - 4000 + 60 * n, "source": "pf", "service": "wall", "peer": "192.168.64.2",
         "verdict": "denied", "target": f"10.0.30.{n}:22", "bytes_in": None, "bytes_out": None,
         "duration_ms": None, "detail": "", "count": 3}
        for n in range(5)
    ],
    "canary": {
        "t": NOW - 21, "ms": 1904, "via": "agent", "guest": "192.168.64.2",
        "gateway": "192.168.64.1", "services": {"of": "", "t": NOW}, "verdict": "green",
        "leaks": [], "unable": [], "failed": [], "notes": ["no other guest runs"],
        "probes": [_probe(f"lan {n}", "silence", "silent") for n in range(38)]
        + [_probe(f"door {n}", "answer", "answered") for n in range(4)],
        "counters": {}, "nonce": "x", "reached": True,
    },
    "alerts": {
        "standing": [
            {"key": "window", "severity": "info", "text": "the provisioning window was opened",
             "evidence": "", "source": "events", "since": NOW - 600, "last": NOW - 600,
             "count": 1, "active": True},
        ],
        "over": [
            {"key": "pf-repaired", "severity": "warning", "text": "pf was off, and is on",
             "evidence": "", "source": "events", "since": NOW - 9000, "last": NOW - 8990,
             "count": 1, "active": False},
        ],
        "silences": [],
        "hooks": [
            {"name": "discord", "kind": "discord", "to": "discord.com", "waiting": 0,
             "sent": NOW - 8980, "failures": 0, "error": "", "dropped": 0, "refused": 0},
        ],
    },
    "grants": {
        "grants": [
            {"name": "nas-web", "port": 18080, "kind": "http", "server_name": None,
             "since": NOW - 600, "until": NOW + 6600, "who": "alice@laptop",
             "reason": "move of the photo library", "target": "10.0.20.10:80", "left_s": 6600,
             "state": "open"},
        ],
    },
    "snapshots": {
        "snapshots": [
            {"name": f"nanoclaw-vm-snap-2026112{n}T033000Z", "guest": "nanoclaw-vm",
             "kind": "scheduled", "number": n, "t": NOW - 86400 * (2 - n), "reason": "daily",
             "model": "ab", "image": "", "facts": {}, "kept": "daily",
             "verified": NOW - 80000 if n == 1 else 0.0,
             "failed": "", "cost": 0, "pause_s": 41.5}
            for n in range(3)
        ],
    },
    "snapshot": {
        "name": "snapshots", "verdict": "well", "label": "daily at 04:30",
        "text": "newest 12 h ago", "problems": [],
        "facts": {"count": 3, "daily": "04:30", "task": None},
    },
    "backup": {
        "verdict": 0, "now": NOW, "generation": 9,
        "created": {"t": NOW - 40000, "ok": True, "text": "1204 files, 88.1 MB", "name":
                    "20261121T033000Z-1f2e", "seconds": 31.0},
        "good": {"t": NOW - 40000, "ok": True, "text": "1204 files, 88.1 MB", "name":
                 "20261121T033000Z-1f2e", "seconds": 31.0},
        "tested": {"t": NOW - 200000, "ok": True, "text": "no difference", "name":
                   "20261119T033000Z-99aa", "seconds": 12.0},
        "checked": None,
    },
    "audit": {
        "format": 1, "at": _ago(18_000),
        "checks": {
            "guest/prints/automatic updates": {
                "state": "accepted", "found": "01000", "at": _ago(18_000), "failed": _ago(9e5),
                "last_well": _ago(1e6), "why": "until 2026-12-31: the image's own setting"},
            } | {
            f"host/file/{name}": {"state": "passed", "found": "as expected",
                                  "at": "2026-11-21T04:10:00+00:00", "since": None,
                                  "last_well": "2026-11-21T04:10:00+00:00"}
            for name in ("policy.json", "anchor.conf", "wall.conf")
        },
    },
    "scheduled": {
        "name": "audit", "verdict": "well", "label": "daily by alice@laptop",
        "text": "5 h ago: 3 of 4 as declared, 1 accepted", "problems": [],
        "facts": {
            "t": NOW - 18_000, "overdue": False,
            "schedule": {"every_s": 86400, "who": "alice@laptop", "since": NOW - 9e6},
            "last": {"t": NOW - 18_000, "verdict": "well", "who": "alice@laptop", "passed": 3,
                     "failed": 0, "unknown": 0, "accepted": 1, "severity": "warning",
                     "found": []},
        },
    },
    "doctor": {
        "host": "mac.lan", "guest": "nanoclaw-vm", "verdict": "ok",
        "rows": [
            {"where": "host", "name": name, "verdict": "ok", "value": value, "fix": ""}
            for name, value in (
                ("macOS", "15.7.1"), ("chip", "arm64"), ("Tart", "2.30.0"),
                ("Softnet, root's copy", "4750 root admin"), ("FileVault", "FileVault is Off."),
                ("sleep", "sleep 0, disksleep 0, autorestart 1"),
                ("free disk", "212 GB free, 20 GB wanted"), ("Metal", "Metal 3"),
            )
        ],
    },
    "skills": {
        "guest": "nanoclaw-vm", "verdict": "well", "error": "",
        "skills": [
            {"name": name, "summary": summary, "needs": "", "installed": True, "configured": True,
             "proof": "ok", "evidence": evidence, "age_s": 90_000.0, "groups": ["main"],
             "measured": {}, "verdict": "well"}
            for name, summary, evidence in (
                ("gh", "GitHub by its command line", "logged in as my-bot"),
                ("whisper", "speech to text", "0.31 of real time"),
            )
        ],
    },
    "events": [
        {"t": NOW - 9000, "source": "guard", "log": "events.jsonl", "dated": True,
         "text": "repaired: pf was off, and is on"},
        {"t": NOW - 600, "source": "guard", "log": "events.jsonl", "dated": True,
         "text": "granted: nas-web: :18080 -> 10.0.20.10:80: move of the photo library"},
        {"cursor": "{}"},
    ],
}  # fmt: skip


def well() -> dict[str, Any]:
    """Return a copy to change."""
    return copy.deepcopy(WELL)


def overview(data: dict[str, Any], now: float = NOW) -> Overview:
    """Return the overview of these answers; a missing one was refused by the host."""
    answers = {
        source.name: Answer(data[source.name], now, "", now)
        if source.name in data
        else Answer(None, None, "the Clawkeep that is there does not know it; clawkeep apply", now)
        for source in SOURCES
    }
    return Overview("mac.lan", answers, now - 1.2, now)


def poisoned(data: Any, poison: str) -> Any:
    """Return the same with every text replaced by a poisoned one, names of states apart."""
    if isinstance(data, dict):
        return {key: poisoned(value, poison) for key, value in data.items()}
    if isinstance(data, list):
        return [poisoned(value, poison) for value in data]
    return poison if isinstance(data, str) else data
