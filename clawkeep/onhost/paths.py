"""Where things are on the host. All of it is root's, but for the bridges' logs.

`/var/run` is emptied at each boot, so what lies there never outlives a reboot.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/opt/clawkeep")
PROGRAM = ROOT / "bin/clawkeep"

#: Written by the converge.
POLICY = ROOT / "etc/policy.json"

#: Written by the converge, 0600: where alerts go. The addresses are secrets.
HOOKS = ROOT / "etc/hooks.json"

#: Written by the converge: what the watcher is to look at.
WATCHED = ROOT / "etc/health.json"

#: Written by the guard: what it last loaded or handed to a daemon.
ANCHOR_FILE = ROOT / "etc/anchor.conf"
WALL_FILE = ROOT / "etc/wall.conf"
SQUID_CONF = ROOT / "etc/squid.conf"
DNSMASQ_CONF = ROOT / "etc/dnsmasq.conf"

#: Kept over reboots.
STATE = ROOT / "var"
GRANTS = STATE / "grants.json"
EVENTS = STATE / "events.jsonl"
TRAFFIC = STATE / "traffic.db"
CUT = STATE / "cut.json"
ALERTS = STATE / "alerts.db"
HEALTH = STATE / "health.json"
AUDIT = STATE / "audit.json"

#: What guests install from; world-readable, and shared with the guest.
CACHE = ROOT / "cache"

#: Gone at each boot.
RUN = Path("/var/run/clawkeep")
LINK = RUN / "link.json"
GUARD = RUN / "guard.json"
ENFORCED = RUN / "enforced.json"
CANARY = RUN / "canary.json"
STANDING = RUN / "alerts.json"
WINDOW = RUN / "window.json"
TOKEN = RUN / "pf-token"
LOCK = RUN / "lock"
SOCKET = RUN / "guard.sock"

#: Written by the bridges' user: root reads it with care.
LOGS = Path("/var/log/clawkeep")
