"""The traffic log's job: once a minute everything new in the logs and at pf becomes rows.

Root's, since it reads pf's counters and keeps a journal that nobody else may change. What it
prints goes to root's own folder: launchd opens that file as root, and in the folder of the
bridges' logs the bridges' user could put a link in its place.
"""

from __future__ import annotations

from clawkeep.onhost import paths
from clawkeep.render.plist import CLAWKEEP, property_list
from roles import launchd

LABEL = "com.nanoclaw.traffic"
EVERY_S = 60
ERRORS = paths.STATE / "traffic.err.log"

DAEMON = property_list(
    {
        "Label": LABEL,
        "ProgramArguments": [CLAWKEEP, "traffic", "collect"],
        "RunAtLoad": True,
        "StartInterval": EVERY_S,
        "ProcessType": "Background",
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": str(ERRORS),
    }
)


def collected(name: str) -> None:
    """Have the collector's job loaded."""
    launchd.job(name=name, domain=launchd.SYSTEM, plist=DAEMON)
