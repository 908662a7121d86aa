"""The job that watches the keep layer by layer, and mends what it may."""

from __future__ import annotations

from clawkeep.model import Keep
from clawkeep.onhost import paths
from clawkeep.render import health as render
from roles import launchd
from roles.base import runtime
from roles.bundle import File, bundle


def watched(keep: Keep) -> None:
    """Have the watcher know what is declared, and run."""
    text = render.plan_of(keep).text().encode()
    bundle(name="Host | what is watched", entries=[File(str(paths.WATCHED), text)])
    launchd.job(
        name="Host | the keep is watched, and mended",
        domain=launchd.SYSTEM,
        plist=render.DAEMON,
        needs=runtime.contents(runtime.program()),
    )
