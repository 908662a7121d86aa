"""The `clawkeep` command as installed on the host at /opt/clawkeep/bin: what launchd and root run.

Everything below this package, and all that it imports, is standard library only: the host's Python
is a bare interpreter (design decision 10). The one exception is `backup`, which has `cryptography`
beside it, root's as well.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence

#: Verb -> module with a `main(arguments) -> exit status`. Imported when called: a verb starts fast.
VERBS = {
    "alert": "clawkeep.onhost.alert",
    "allow": "clawkeep.onhost.allow",
    "audit": "clawkeep.onhost.audit",
    "backup": "clawkeep.onhost.backup",
    "bridge": "clawkeep.onhost.bridge",
    "bridges": "clawkeep.onhost.listing",
    "grants": "clawkeep.onhost.grants",
    "revoke": "clawkeep.onhost.revoke",
    "cache": "clawkeep.onhost.cache",
    "canary": "clawkeep.onhost.canary",
    "enforce": "clawkeep.onhost.enforce",
    "guard": "clawkeep.onhost.guard",
    "health": "clawkeep.onhost.health",
    "hold": "clawkeep.onhost.hold",
    "logs": "clawkeep.onhost.logs",
    "proxy": "clawkeep.onhost.proxy",
    "resolver": "clawkeep.onhost.resolver",
    "snapshot": "clawkeep.onhost.snapshot",
    "supervise": "clawkeep.supervisor",
    "traffic": "clawkeep.onhost.traffic",
    "update": "clawkeep.onhost.update",
    "whisper": "clawkeep.onhost.whisper",
    "window": "clawkeep.onhost.window",
}

#: What is copied to the host, relative to the package `clawkeep`: modules, and whole folders.
#: Nothing on the host imports anything outside this list.
MODULES = (
    "__init__",
    "agent/__init__",
    "agent/facts",
    "agent/judge",
    "agent/judge_work",
    "agent/probe",
    "agent/probe_processes",
    "agent/probe_state",
    "agent/program",
    "agent/report",
    "alerts/",
    "audit/__init__",
    "audit/note",
    "backup/",
    "cache/__init__",
    "cache/homebrew",
    "cache/index",
    "cache/lock",
    "canary/",
    "contract/__init__",
    "contract/markers",
    "contract/verdict",
    "daily",
    "domains",
    "expected",
    "health/",
    "ifconfig",
    "link",
    "nanoclaw/__init__",
    "nanoclaw/channel",
    "onhost/",
    "pf/",
    "policy",
    "profiles",
    "redact",
    "render/__init__",
    "render/anchor",
    "render/bridge",
    "render/dnsmasq",
    "render/plist",
    "render/squid",
    "seen",
    "snapshots/",
    "supervisor",
    "tart",
    "traffic/",
    "updates/__init__",
    "updates/journal",
    "updates/update",
    "updates/version",
    "verdict",
)


def main(arguments: Sequence[str]) -> int:
    """Run one verb; 64 (EX_USAGE) for an unknown one."""
    name = VERBS.get(arguments[0]) if arguments else None
    if name is None:
        sys.stderr.write(f"usage: clawkeep {{{','.join(VERBS)}}} …\n")
        return 64
    verb: Callable[[Sequence[str]], int] = importlib.import_module(name).main
    return verb(arguments[1:])
