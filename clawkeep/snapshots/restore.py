"""Puts a snapshot in the guest's place, and the former guest back when the new one is not well.

The copy is made while the guest still runs, so that what can fail for want of room fails before it
is down. The exchange is two renames. The guest gets another MAC address than it had, and so another
lease: tart gives a clone a new one while another VM has its source's, and knows no way to set it
(reference/tart.md §1.9). Nothing of ours goes by it: the guard asks the guest's agent for its
address, and host keys are pinned by the guest's name.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from clawkeep.backup.state import Did
from clawkeep.snapshots import names, records
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.keeper import Keeper
from clawkeep.snapshots.ports import RUNNING, STOPPED
from clawkeep.snapshots.records import Facts, Record, Task


def restore(keeper: Keeper, name: str) -> str:
    """Restore a snapshot; return what the replaced guest is called now, "" when there was none.

    Raises SnapshotError, OSError: then the former guest is back.
    """
    mac, record, vms = keeper.mac, keeper.record(name), keeper.mac.vms()
    if vms[record.name] != STOPPED:
        raise SnapshotError(f"{record.name} is {vms[record.name]}; nothing was done")
    kept = ""
    if keeper.guest in vms:
        keeper.need_guest(vms, up=mac.loaded())
        kept = names.fresh(keeper.guest, names.REPLACED, mac.now(), vms)
    keeper.need_room("a copy of the snapshot")
    task = Task(records.RESTORE, record.name, keeper.guest, mac.now(), up=True, kept=kept)
    keeper.shelf.begin(task)
    try:
        mac.clone(record.name, names.restoring(keeper.guest))
        with mac.maintenance(f"restore {record.name}"):
            why = _exchanged(keeper, task, running=vms.get(keeper.guest) == RUNNING)
    except BaseException:
        settle(keeper, task)
        raise
    if why:
        now = "the former guest is back" if kept else "there was none before, so it stays"
        raise SnapshotError(f"{record.name} was no good ({why}); {now}")
    return kept


def _exchanged(keeper: Keeper, task: Task, *, running: bool) -> str:
    """Exchange the guest for the copy and start it; return "" or why it was exchanged back."""
    mac = keeper.mac
    facts = mac.drain(keeper.plan.drain_s) if running else Facts()
    mac.stop()
    if task.kept:
        keeper.need_stopped()
        replaced = Record(
            task.kept, keeper.guest, records.REPLACED, keeper.number(), task.t,
            f"replaced by {task.name}", keeper.model, keeper.plan.image, facts,
        )  # fmt: skip
        keeper.shelf.put(replaced)
        mac.rename(keeper.guest, task.kept)
    mac.rename(names.restoring(keeper.guest), keeper.guest)
    return _judged(keeper, task)


def _judged(keeper: Keeper, task: Task) -> str:
    """Start the new guest; when it is not well, put the former one back and say why."""
    mac = keeper.mac
    mac.start()
    wanted = next((r.facts for r in keeper.shelf.records() if r.name == task.name), Facts())
    why = mac.healthy(wanted)
    if why:
        mac.event(f"{task.name} as the guest is no good: {why}")
        _note(keeper, task, why)
    if not why or not task.kept:
        mac.event(f"the guest is that of {task.name}; the former one is {task.kept or 'gone'}")
        keeper.shelf.end()
        return why
    mac.stop()
    mac.rename(keeper.guest, names.failed(keeper.guest))
    _put_back(keeper, task)
    return why


def _note(keeper: Keeper, task: Task, why: str) -> None:
    """Leave on record that a snapshot was no good, so that it is alerted, and not taken again."""
    record = next((r for r in keeper.shelf.records() if r.name == task.name), None)
    back = "the former guest is back" if task.kept else "there is no former guest"
    did = Did(keeper.mac.now(), ok=False, text=f"as the guest: {why}; {back}"[:300], name=task.name)
    # The guest comes back whether there is room for this or not.
    with contextlib.suppress(OSError):
        if record is not None:
            keeper.shelf.put(replace(record, verified=0.0, failed=why[:300]))
        keeper.note(lambda state: replace(state, verified=did))


def _put_back(keeper: Keeper, task: Task) -> None:
    """Have the former guest under its name and running, and what was to replace it deleted."""
    mac, vms = keeper.mac, keeper.mac.vms()
    former = keeper.guest in vms
    if not former and task.kept in vms:
        mac.rename(task.kept, keeper.guest)
        former = True
    if former:
        mac.start()
        mac.resume()
    for half in (names.failed(keeper.guest), names.restoring(keeper.guest)):
        if half in vms:
            mac.delete(half)
    if task.kept:
        keeper.shelf.drop(task.kept)
    keeper.shelf.end()


def settle(keeper: Keeper, task: Task) -> str:
    """Finish or undo what was left under way; return which. Raises SnapshotError, OSError."""
    vms = keeper.mac.vms()
    # The two renames are one exchange: with both names there, it was done.
    if keeper.guest in vms and (task.kept in vms or not task.kept):
        with keeper.mac.maintenance(f"restore {task.name}"):
            why = _judged(keeper, task)
        back = "the former guest is back" if task.kept else "there was no guest before"
        return f"{back} ({why})" if why else "it was finished"
    _put_back(keeper, task)
    return "the former guest is back"
