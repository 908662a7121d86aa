"""The canary as a job: every half minute, from inside the guest, what is open and what is not."""

from __future__ import annotations

from clawkeep.render.plist import property_list
from roles import launchd

LABEL = "com.nanoclaw.canary"
LOG = "/var/log/com.nanoclaw.canary.log"
EVERY_S = 30

# A daemon: Local Network privacy cuts agents off (reference/macos.md §1.7). It runs as root, for
# pf's counters and for a result that nobody else can write; tart it runs as the guest's owner.
DAEMON = property_list(
    {
        "Label": LABEL,
        "ProgramArguments": ["/opt/clawkeep/bin/clawkeep", "canary", "--scheduled"],
        "RunAtLoad": True,
        "StartInterval": EVERY_S,
        "ProcessType": "Background",
        "StandardOutPath": LOG,
        "StandardErrorPath": LOG,
    }
)


def schedule(name: str) -> None:
    """Have the canary run every `EVERY_S` seconds; launchd never starts a second one beside it."""
    launchd.job(name=name, domain=launchd.SYSTEM, plist=DAEMON)
