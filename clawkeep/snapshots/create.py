"""Makes a snapshot: the agent ends its work, the guest shuts down, is cloned, and boots again."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from clawkeep.backup.state import Did
from clawkeep.snapshots import names, records
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.keeper import Keeper
from clawkeep.snapshots.ports import RUNNING
from clawkeep.snapshots.records import Facts, Record, Task


def create(keeper: Keeper, kind: str, reason: str, slot: str = "") -> Record:
    """Make a snapshot. Raises SnapshotError, OSError: then there is none, and the guest runs.

    The guest is down from the shutdown to the clone's end, and boots while the rest is done.
    """
    began = keeper.mac.now()
    try:
        return _create(keeper, kind, reason, slot)
    except (SnapshotError, OSError) as error:
        did = Did(began, ok=False, text=str(error)[:300])
        with contextlib.suppress(OSError):
            keeper.note(lambda state: state.with_created(did))
        raise


def _create(keeper: Keeper, kind: str, reason: str, slot: str) -> Record:
    mac, vms = keeper.mac, keeper.mac.vms()
    up = mac.loaded()
    keeper.need_guest(vms, up=up)
    keeper.need_room("a snapshot")
    now = mac.now()
    name = names.fresh(keeper.guest, names.SNAPSHOT, now, vms)
    task = Task(records.CREATE, name, keeper.guest, now, up, slot=slot)
    record = Record(
        name, keeper.guest, kind, keeper.number(), now, reason, keeper.model, keeper.plan.image
    )
    keeper.shelf.begin(task)
    try:
        with mac.maintenance(f"snapshot {name}"):
            return _taken(keeper, task, record, running=vms[keeper.guest] == RUNNING)
    except BaseException:
        # Also when we are told to end: whatever it was, the guest is not left down.
        settle(keeper, task)
        raise


def _taken(keeper: Keeper, task: Task, record: Record, *, running: bool) -> Record:
    mac, began = keeper.mac, keeper.mac.ticks()
    facts = mac.drain(keeper.plan.drain_s) if running else Facts()
    if task.up:
        mac.stop()
    keeper.need_stopped()
    free, taking = mac.free(), names.taking(keeper.guest)
    mac.clone(keeper.guest, taking)
    # Somebody may have started it meanwhile, which tart does not refuse.
    keeper.need_stopped()
    cost = max(0, free - mac.free())
    if task.up:
        mac.start()
    keeper.need_room("the snapshot just made, which is deleted again", made=True)
    why = mac.answers() if running else ""
    pause_s = round(mac.ticks() - began, 1) if running else 0.0
    record = replace(record, facts=facts, cost=cost, pause_s=pause_s)
    keeper.shelf.put(record)
    mac.rename(taking, task.name)
    _finish(keeper, task, record)
    if why:
        mac.event(f"after {record.name} the guest does not answer: {why}")
    return record


def _finish(keeper: Keeper, task: Task, record: Record) -> None:
    """Note a snapshot that is there, then forget the task: done twice, it is the same."""
    did = Did(record.t, ok=True, text=record.reason, name=record.name, seconds=record.pause_s)
    keeper.note(lambda state: state.with_created(did, task.slot), record.number)
    words = f"{record.name} was made ({record.reason}); pause {record.pause_s:.1f} s"
    # Before the end: rather on record twice than never.
    keeper.mac.event(words)
    keeper.shelf.end()


def settle(keeper: Keeper, task: Task) -> str:
    """Finish or undo what was left under way; return which. Raises SnapshotError, OSError."""
    mac, shelf = keeper.mac, keeper.shelf
    if task.up:
        # First: whatever else fails, the guest is not left down.
        mac.start()
        mac.resume()
    taking, vms = names.taking(keeper.guest), mac.vms()
    record = next((r for r in shelf.records() if r.name == task.name), None)
    if record and taking in vms and task.name not in vms:
        mac.rename(taking, task.name)
    elif taking in vms:
        mac.delete(taking)
    if record and (task.name in vms or taking in vms):
        _finish(keeper, task, record)
        return "it was finished"
    shelf.drop(task.name)
    shelf.end()
    return "it was undone"
