"""Makes, tries, brings back and rotates snapshots, each so that it can be killed at any step.

What is to be done is written down once, before anything changes (`Task`). What has been done is
told by the VMs that are there: every step is a clone, a rename or a delete, which tart does wholly
or not at all. So whoever comes next, even on a full disk, sees what is so, and finishes it or
undoes it; either way the guest runs again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from clawkeep import daily
from clawkeep.snapshots import create, names, records, restore, rotation, schedule, verify
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.keeper import Keeper
from clawkeep.snapshots.ports import Tried
from clawkeep.snapshots.records import Record, Task

SETTLE: dict[str, Callable[[Keeper, Task], str]] = {
    records.CREATE: create.settle,
    records.VERIFY: verify.settle,
    records.RESTORE: restore.settle,
}


class Work:
    """What is done with a host's snapshots; whoever uses it has the guest to itself.

    All of it raises SnapshotError and OSError, and begins with what was left under way.
    """

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper

    def create(self, kind: str, reason: str, slot: str = "") -> Record:
        """Make a snapshot; `slot` is the day that a scheduled one is for."""
        self.recover()
        return create.create(self.keeper, kind, reason, slot)

    def verify(self, name: str) -> Tried:
        """Boot a copy of a snapshot, and note what came of it."""
        self.recover()
        return verify.verify(self.keeper, name)

    def restore(self, name: str) -> str:
        """Put a snapshot in the guest's place; return what the replaced guest is called now."""
        self.recover()
        return restore.restore(self.keeper, name)

    def recover(self) -> str:
        """Finish or undo what was left under way, and sweep what is half there; say what was."""
        keeper, found = self.keeper, ""
        if task := keeper.shelf.task():
            if task.guest != keeper.guest:
                raise SnapshotError(
                    f"{task.kind} of {task.name} was interrupted when the guest was {task.guest}; "
                    f"now {keeper.guest} is declared: declare {task.guest} again and converge"
                )
            found = SETTLE[task.kind](keeper, task)
            keeper.mac.event(f"{task.kind} of {task.name} had been interrupted: {found}")
        vms = keeper.mac.vms()
        for half in names.halves(keeper.guest):
            if half in vms:
                keeper.remove_half(half)
        for record in keeper.shelf.records():
            if record.name not in vms and record.guest == keeper.guest:
                keeper.mac.event(f"{record.name} is gone: its record goes, too")
                keeper.shelf.drop(record.name)
        return found

    def prune(self, *, dry: bool = False) -> tuple[str, ...]:
        """Delete what is not to be kept; return the names."""
        keeper = self.keeper
        if not dry:
            self.recover()
        going = rotation.doomed(
            keeper.shelf.records(), keeper.mac.vms(), keeper.plan.keep, keeper.mac.now(),
            guest=keeper.guest,
        )  # fmt: skip
        for name in () if dry else going:
            keeper.mac.delete(name)
            keeper.shelf.drop(name)
            keeper.mac.event(f"{name} was deleted, as it is not to be kept")
        return going

    def tick(self, *, due: bool = True) -> bool:
        """End what was interrupted, and do what is due; return whether there was anything.

        Asks tart nothing unless there is. Without `due`, nothing new is begun.
        """
        keeper, at = self.keeper, self.keeper.plan.at
        did = bool(keeper.shelf.task())
        if did:
            self.recover()
        if not due:
            return did
        now, state = keeper.mac.now(), keeper.shelf.state()
        if at and not state.since:
            keeper.note(lambda s: replace(s, since=now))
        elif schedule.due(state, at, now):
            did = True
            # Before: a try that brings the Mac down is a try.
            keeper.note(lambda s: schedule.trying(s, at, now))
            self.create(records.SCHEDULED, "daily", daily.slot(at, now))
            self.prune()
        if at and self._verified_today(daily.slot(at, now), now):
            did = True
        return did

    def _verified_today(self, today: str, now: float) -> bool:
        """Verify the day's snapshot if one is due; that is decided once a day."""
        keeper, state = self.keeper, self.keeper.shelf.state()
        if state.slot != today or state.verify_slot == today:
            return False
        due = schedule.verify_due(state, keeper.plan.verify_days, now)
        keeper.note(lambda s: replace(s, verify_slot=today))
        if due:
            self.verify("latest")
        return due
