"""How the declared backups are, from what is written down alone: for whoever only looks."""

from __future__ import annotations

from clawkeep.backup import state as states
from clawkeep.backup.errors import BackupError
from clawkeep.backup.plan import parse
from clawkeep.onhost import clock, paths, store

PLAN = paths.ROOT / "etc/backup.json"
STATE = paths.STATE / "backup.json"


def problems() -> tuple[tuple[str, str], ...]:
    """Return what is not as it should be: a key for each kind, and the words. Never raises.

    Nothing where no backup is declared. One that was declared just now is not late.
    """
    try:
        if (text := store.read(PLAN)) is None:
            return ()
        plan, state = parse(text), states.parse(store.read(STATE))
        # A converge lays files down with a time of its own; this is when it did.
        declared = state.since or PLAN.stat().st_ctime
        return tuple(states.problems(state, plan, declared, clock.wall()))
    except (BackupError, OSError, ValueError) as error:
        return (("damaged", str(error)),)
