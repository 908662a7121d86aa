"""The job that makes the declared snapshots, and ends what was interrupted."""

from __future__ import annotations

from clawkeep.model import Keep
from clawkeep.render import snapshots as render
from roles import launchd
from roles.base.runtime import ROOT
from roles.bundle import File, bundle

PLAN = f"{ROOT}/etc/snapshots.json"


def looked_after(keep: Keep) -> None:
    """Have the plan in place and the job loaded; it ends what was interrupted in any case."""
    text = render.plan_of(keep).text()
    bundle(name="Host | plan of snapshots", entries=[File(PLAN, text.encode(), "644")])
    launchd.job(
        name="Host | snapshots are looked after", domain=launchd.SYSTEM, plist=render.DAEMON
    )
