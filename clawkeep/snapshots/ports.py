"""All that touches a machine or a disk, as `work` sees it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from clawkeep.snapshots.records import Facts, Record, State, Task

GB: Final = 1000**3
MOST_GUESTS: Final = 2
"""macOS runs two macOS guests at a time. Source: reference/tart.md §4."""

STOPPED, RUNNING = "stopped", "running"


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of booting a snapshot: `ok` is None when nobody can tell."""

    ok: bool | None
    text: str


class Mac(Protocol):
    """What is done to a host. All of it raises SnapshotError or OSError."""

    def vms(self) -> dict[str, str]:
        """Return the state of each local VM by its name."""

    def clone(self, source: str, name: str) -> None:
        """Copy a stopped VM to a name that is free."""

    def rename(self, name: str, new: str) -> None:
        """Rename a stopped VM to a name that is free."""

    def delete(self, name: str) -> None:
        """Delete a stopped VM."""

    def free(self) -> int:
        """Return the room on the VMs' volume in bytes."""

    def now(self) -> float:
        """Return the time in Unix seconds; it never runs backwards."""

    def ticks(self) -> float:
        """Return seconds of a clock that nobody can set."""

    def maintenance(self, reason: str) -> AbstractContextManager[None]:
        """Say that the guest is down on purpose as long as the block runs."""

    def loaded(self) -> bool:
        """Tell whether the guest's job is loaded: whether the guest is meant to run."""

    def drain(self, most_s: float) -> Facts:
        """Have the agent end what it does and the guest write what it holds. Never raises."""

    def stop(self) -> None:
        """Unload the guest's job and shut the guest down from inside; nothing if it is down."""

    def start(self) -> None:
        """Load the guest's job; nothing if it is loaded."""

    def resume(self) -> None:
        """Have the agent run again in a guest that was drained and not stopped. Never raises."""

    def answers(self) -> str:
        """Wait until the guest answers; return "" or why it does not. Never raises."""

    def healthy(self, facts: Facts) -> str:
        """Wait until guest, guard and agent are well; return "" or what is not. Never raises."""

    def probe(self, name: str, facts: Facts) -> Tried:
        """Boot a VM that reaches nothing, and look whether it is whole. Never raises."""

    def end_probe(self, name: str) -> None:
        """End what `probe` started, whoever has started it; nothing when nothing is there."""

    def event(self, text: str) -> None:
        """Note what was done in the host's record. Never raises."""


class Shelf(Protocol):
    """What is kept on disk; every write is whole or not at all. Raises OSError, SnapshotError."""

    def task(self) -> Task | None:
        """Return what is under way."""

    def begin(self, task: Task) -> None:
        """Write down what is about to be done."""

    def end(self) -> None:
        """Forget it."""

    def records(self) -> list[Record]:
        """Return the records of all snapshots."""

    def put(self, record: Record) -> None:
        """Write a record, or write it anew."""

    def drop(self, name: str) -> None:
        """Remove a record if there is one."""

    def state(self) -> State:
        """Return what was done last."""

    def note(self, state: State) -> None:
        """Replace it."""
