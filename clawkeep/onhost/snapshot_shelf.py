"""Where what is known of snapshots lies on the host: root's files, each replaced as a whole."""

from __future__ import annotations

import sys
from pathlib import Path

from clawkeep.onhost import paths, store
from clawkeep.snapshots import records
from clawkeep.snapshots.errors import SnapshotError
from clawkeep.snapshots.records import Record, State, Task

FOLDER = paths.STATE / "snapshots"


class Shelf:
    """The folder of task.json, state.json and one record per snapshot."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self._task, self._state = folder / "task.json", folder / "state.json"

    def task(self) -> Task | None:
        """Return what is under way. Raises SnapshotError for a damaged one: nobody may guess."""
        text = store.read(self._task)
        try:
            return records.parse_task(text) if text is not None else None
        except SnapshotError as error:
            raise SnapshotError(
                f"{self._task}: {error}; something was interrupted, and what is unknown: see "
                "`tart list`, put the guest right, remove the file, and converge"
            ) from error

    def begin(self, task: Task) -> None:
        """Write down what is about to be done."""
        store.write(self._task, task.text())

    def end(self) -> None:
        """Forget it."""
        self._task.unlink(missing_ok=True)

    def records(self) -> list[Record]:
        """Return all records; one that is damaged makes its VM a stranger, whom nobody deletes."""
        found = []
        for path in sorted((self.folder / "records").glob("*.json")):
            try:
                found.append(records.parse_record(path.read_text(encoding="utf-8")))
            except (SnapshotError, UnicodeDecodeError) as error:
                sys.stderr.write(f"{path}: {error}\n")
        return found

    def put(self, record: Record) -> None:
        """Write a record, or write it anew."""
        store.write(self._record(record.name), record.text())

    def drop(self, name: str) -> None:
        """Remove a record if there is one."""
        self._record(name).unlink(missing_ok=True)

    def state(self) -> State:
        """Return what was done last."""
        return records.parse_state(store.read(self._state))

    def note(self, state: State) -> None:
        """Replace it."""
        store.write(self._state, state.text())

    def _record(self, name: str) -> Path:
        return self.folder / "records" / f"{name}.json"
