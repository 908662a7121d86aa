"""Verifies a snapshot by booting it: a copy that reaches nothing, looked at, and deleted."""

from __future__ import annotations

from dataclasses import replace

from clawkeep.backup.state import Did
from clawkeep.snapshots import names, records
from clawkeep.snapshots.errors import PostponedError
from clawkeep.snapshots.keeper import Keeper
from clawkeep.snapshots.ports import MOST_GUESTS, RUNNING, Tried
from clawkeep.snapshots.records import Record, Task

HOW = {True: "boots and is whole", False: "IS NO GOOD", None: "could not be tried"}


def verify(keeper: Keeper, name: str) -> Tried:
    """Boot a copy of a snapshot and note what came of it; nothing of the copy stays.

    Raises PostponedError when two guests run already, SnapshotError, OSError.
    """
    mac, record = keeper.mac, keeper.record(name)
    running = sorted(vm for vm, state in mac.vms().items() if state == RUNNING)
    if len(running) >= MOST_GUESTS:
        raise PostponedError(
            f"{' and '.join(running)} run, and macOS runs no more than {MOST_GUESTS} macOS guests: "
            f"{record.name} is verified when one of them is down"
        )
    keeper.need_room("booting a copy")
    trying = names.trying(keeper.guest)
    task = Task(records.VERIFY, record.name, keeper.guest, mac.now(), up=False)
    keeper.shelf.begin(task)
    try:
        mac.clone(record.name, trying)
        tried = mac.probe(trying, record.facts)
    finally:
        settle(keeper, task)
    _note(keeper, record, tried)
    return tried


def _note(keeper: Keeper, record: Record, tried: Tried) -> None:
    now, text = keeper.mac.now(), tried.text[:300]
    if tried.ok is not None and record.kind != records.BASE:
        when = now if tried.ok else 0.0
        keeper.shelf.put(replace(record, verified=when, failed="" if tried.ok else text))
    did = Did(now, ok=tried.ok is True, text=text, name=record.name)
    keeper.note(lambda state: replace(state, verified=did))
    keeper.mac.event(f"{record.name} {HOW[tried.ok]}: {text}")


def settle(keeper: Keeper, _: Task) -> str:
    """Undo what was left under way. Raises SnapshotError, OSError."""
    keeper.remove_half(names.trying(keeper.guest))
    keeper.shelf.end()
    return "its copy is deleted"
