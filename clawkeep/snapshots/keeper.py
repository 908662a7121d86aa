"""What making, trying and bringing back snapshots share: what is there, and what must be so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from clawkeep.snapshots import names, records
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.plan import Plan
from clawkeep.snapshots.ports import GB, RUNNING, STOPPED, Mac, Shelf
from clawkeep.snapshots.records import Record, State


@dataclass(frozen=True, slots=True)
class Keeper:
    """A host's guest and its snapshots. `model` is the digest of the keep as it is declared."""

    mac: Mac
    shelf: Shelf
    plan: Plan
    guest: str
    model: str

    def record(self, name: str) -> Record:
        """Return the record of a snapshot that is there; `latest` and `verified` name one, too.

        Raises SnapshotError, OSError.
        """
        vms = self.mac.vms()
        mine = [r for r in self.shelf.records() if r.guest == self.guest and r.name in vms]
        base = names.base(self.guest)
        if name == base and base in vms:
            return Record(base, self.guest, records.BASE, 0, 0.0, "when first complete", "")
        made = sorted((r for r in mine if r.kind != records.REPLACED), key=lambda r: r.number)
        if name == "verified":
            made = [record for record in made if record.verified]
        chosen = (
            made[-1:] if name in {"latest", "verified"} else [r for r in mine if r.name == name]
        )
        if not chosen:
            there = ", ".join([r.name for r in mine] + ([base] if base in vms else []))
            raise SnapshotError(f"there is no snapshot {name}; there are: {there or 'none'}")
        return chosen[0]

    def need_guest(self, vms: Mapping[str, str], *, up: bool) -> None:
        """Refuse when the guest is neither stopped nor run by its job."""
        state = vms.get(self.guest)
        if state not in {STOPPED, RUNNING}:
            raise SnapshotError(f"{self.guest} is {state or 'not there'}; nothing was done")
        if state == RUNNING and not up:
            raise SnapshotError(
                f"{self.guest} runs, but not by its job, so nobody would start it again; stop it "
                "(`clawkeep vm stop`), and converge"
            )

    def need_stopped(self) -> None:
        """Refuse when the guest is not stopped: tart copies a running one, torn."""
        state = self.mac.vms().get(self.guest)
        if state != STOPPED:
            raise SnapshotError(
                f"{self.guest} is {state or 'gone'} although it was shut down: somebody else works "
                "on it (a converge?); a copy of it would be torn, so there is none"
            )

    def need_room(self, what: str, *, made: bool = False) -> None:
        """Refuse when the volume has too little room for one more copy, or for the one just `made`.

        On APFS a clone takes nothing at first; but from then on whatever the guest writes over is
        kept twice, so room must be left for what it writes. On another volume it is a whole copy:
        what the last one really took is counted. Source: reference/tart.md §1.3, §1.9.
        """
        free = self.mac.free()
        all_made = sorted(self.shelf.records(), key=lambda r: r.number)
        cost = all_made[-1].cost if all_made and not made else 0
        if free - cost < self.plan.free_gb * GB:
            took = f", the last copy took {cost / GB:.0f} GB" if cost >= GB else ""
            raise SnapshotError(
                f"no room for {what}: {free / GB:.1f} GB are free{took}, and {self.plan.free_gb} "
                "GB are to stay free (snapshots.free_gb): guest and snapshots share what the guest "
                "has not written since; make room, or delete a snapshot"
            )

    def number(self) -> int:
        """Return a number that no snapshot had."""
        known = [record.number for record in self.shelf.records()]
        return max([self.shelf.state().number, *known]) + 1

    def note(self, change: Callable[[State], State], number: int = 0) -> None:
        """Change what is known of what was done last. Raises OSError."""
        state = change(self.shelf.state())
        self.shelf.note(replace(state, number=max(state.number, number)))

    def remove_half(self, name: str) -> None:
        """Delete what is only half there, even if it was booted."""
        if name not in self.mac.vms():
            return
        if name == names.trying(self.guest):
            self.mac.end_probe(name)
        self.mac.delete(name)
