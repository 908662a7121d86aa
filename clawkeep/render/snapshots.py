"""From the declared snapshots to the host's plan of them, and to the job that looks after them."""

from __future__ import annotations

from typing import Final

from clawkeep.model import Keep
from clawkeep.render.plist import CLAWKEEP, property_list
from clawkeep.snapshots.plan import Plan

LABEL: Final = "com.nanoclaw.snapshots"
ERRORS: Final = "/opt/clawkeep/var/snapshots.err.log"
EVERY_S: Final = 60


def plan_of(keep: Keep) -> Plan:
    """Return what the host is to do; without a declaration, nothing by itself."""
    image = keep.guest.image
    if keep.snapshots is None:
        return Plan(image=image)
    return Plan(**keep.snapshots.model_dump(), image=image)


# Root's, as it unloads and loads the guest's job. launchd only ticks: what is due is decided by the
# program, for launchd's calendar knows neither an hour that comes twice nor what was done. With no
# daily one declared it still ends what was interrupted. `AbandonProcessGroup` is off, so nothing of
# a tick outlives it.
DAEMON: Final = property_list(
    {
        "Label": LABEL,
        "ProgramArguments": [CLAWKEEP, "snapshot", "tick"],
        "RunAtLoad": True,
        "StartInterval": EVERY_S,
        "ExitTimeOut": 300,
        "ProcessType": "Background",
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": ERRORS,
    }
)
