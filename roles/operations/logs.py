"""The job that pulls every log of the host, and the agent's, into the host's store."""

from __future__ import annotations

from clawkeep.onhost import paths
from clawkeep.render.plist import CLAWKEEP, property_list
from roles import launchd

LABEL = "com.nanoclaw.hostlogs"
EVERY_S = 60
ERRORS = paths.STATE / "hostlogs.err.log"

# Root's: it reads root's logs, and those in the bridges' user's folder with care.
DAEMON = property_list(
    {
        "Label": LABEL,
        "ProgramArguments": [CLAWKEEP, "logs", "pull"],
        "RunAtLoad": True,
        "StartInterval": EVERY_S,
        "ProcessType": "Background",
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": str(ERRORS),
    }
)


def kept(name: str) -> None:
    """Have the job loaded."""
    launchd.job(name=name, domain=launchd.SYSTEM, plist=DAEMON)
