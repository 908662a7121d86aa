"""How the snapshots are, from what is written down alone: for whoever only looks."""

from __future__ import annotations

from clawkeep.onhost import clock, paths, store
from clawkeep.onhost.snapshot_shelf import FOLDER, Shelf
from clawkeep.snapshots import judge
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.plan import Plan, parse

PLAN = paths.ROOT / "etc/snapshots.json"


def plan() -> Plan:
    """Return the declared snapshots. Raises SnapshotError, OSError."""
    return parse(store.read(PLAN))


def problems() -> tuple[tuple[str, str], ...]:
    """Return what is not as it should be: a key for each kind, and the words. Never raises."""
    try:
        shelf = Shelf(FOLDER)
        found = judge.problems(shelf.state(), plan(), clock.wall())
        if (task := shelf.task()) and clock.wall() - task.t > judge.STUCK_S:
            words = f"{task.kind} of {task.name} is under way since {judge.date(task.t)}"
            found.append(("stuck", f"{words}; nobody could end it: `clawkeep snapshot status`"))
        return tuple(found)
    except (SnapshotError, OSError, ValueError) as error:
        return (("damaged", str(error)),)
