"""From the declared keep to what the host's watcher looks at, and to its job."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from clawkeep.agent.gather import ROOT, declaration
from clawkeep.health.plan import Plan, Watched
from clawkeep.model import Keep
from clawkeep.render.plist import CLAWKEEP, property_list

LABEL: Final = "com.nanoclaw.health"
ERRORS: Final = "/opt/clawkeep/var/health.err.log"

# Root's: it asks launchd in the owner's session, and as the owner tart. It must outlive what it
# watches, so launchd starts it again however it ends.
DAEMON: Final = property_list(
    {
        "Label": LABEL,
        "ProgramArguments": [CLAWKEEP, "health", "run"],
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 5,
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": ERRORS,
    }
)


def plan_of(keep: Keep) -> Plan:
    """Return what is to be watched; settings of channels, which may be secrets, stay here."""
    if keep.agent is None:
        return Plan()
    declared = declaration(keep.agent)
    channels = tuple(replace(channel, keys=()) for channel in declared.channels)
    users = tuple(keep.agent.agent_users)
    return Plan(Watched(declared.label, declared.local, channels, declared.quiet, users, ROOT))
