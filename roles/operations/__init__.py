"""Phase 4: the keep runs itself, and says when it does not."""

from __future__ import annotations

from clawkeep.model import Keep
from clawkeep.render import backup as render
from roles import launchd
from roles.agent import secrets
from roles.base import runtime
from roles.bundle import File, bundle
from roles.operations import alerts, backup, health, logs, snapshots
from roles.probe import section


def look_after(keep: Keep) -> None:
    """Have the logs kept, and the operator told of what is wrong, as declared."""
    section("operations")
    logs.kept(name="Host | logs are kept in one place")
    if keep.alerts:
        alerts.somebody_told(keep)
    else:
        alerts.nobody_told(name="Host | nobody is told of what is wrong")
    health.watched(keep)
    keep_backups(keep)
    section("snapshots")
    snapshots.looked_after(keep)


def keep_backups(keep: Keep) -> None:
    """Have the declared backup made each day, or none at all."""
    section("backup")
    if keep.backup is None:
        launchd.absent(
            name="Host | no backups are declared", domain=launchd.SYSTEM, prefix=render.LABEL
        )
        backup.undeclared(name="Host | no plan of backups")
        return
    # Asked before anything is changed: a secret that cannot be had ends the run here.
    values = secrets.resolved(keep.backup.references)
    lock = backup.LOCK.read_text()
    backup.libraries(name="Host | cryptography for backups, root's own", lock=lock)
    secrets.placed(
        name="Host | keys of backups",
        user="root",
        files=backup.key_files(values),
        python=runtime.PYTHON,
    )
    bundle(
        name="Host | plan of backups",
        entries=[File(backup.PLAN, render.plan_of(keep, keep.backup).text().encode(), "600")],
    )
    launchd.job(
        name="Host | backups are made each day",
        domain=launchd.SYSTEM,
        plist=render.DAEMON,
    )
