"""What the audits before found: since when something differs, and what is well again.

Kept on the operator's side, where nothing on the keep can change it. Nothing of it decides whether
a check passes.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clawkeep.audit.check import Outcome, State

FILE = "audit.json"
JOURNAL = "audits.jsonl"
MOST = 2000
"""Lines of the journal that are kept: five years of an audit a day."""

FORMAT = 1


@dataclass(frozen=True)
class Drift:
    """A check that is not well: since which audit, and when it was last seen well ("" never).

    It happened between the two. `new` when the audit before this one had it well, accepted, or not
    at all.
    """

    since: str
    last_well: str = ""
    new: bool = True

    def __str__(self) -> str:
        before = f"last seen well {self.last_well}" if self.last_well else "never seen well"
        return f"{'new' if self.new else f'since {self.since}'}, {before}"


class History:
    """The results of one keep's audits, by check."""

    def __init__(self, path: Path, checks: dict[str, dict[str, Any]] | None = None) -> None:
        self.path = path
        self._checks = checks or {}

    @classmethod
    def read(cls, folder: Path) -> History:
        """Return what is kept in `folder`; a file that cannot be read is as good as none."""
        path = folder / FILE
        try:
            data = json.loads(path.read_text())
            known = data["checks"] if data["format"] == FORMAT else {}
            return cls(path, {str(n): dict(v) for n, v in known.items() if isinstance(v, dict)})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(path)

    def compare(
        self, outcomes: Iterable[Outcome], at: str
    ) -> tuple[dict[str, Drift], tuple[str, ...]]:
        """Return the drift by a check's name, and the names of what is well again."""
        drift, fixed = {}, []
        for outcome in outcomes:
            name, state = outcome.check.name, outcome.state
            before = self._checks.get(name, {})
            # A look that could tell nothing neither ends a drift nor begins it anew.
            if state is State.PASSED:
                if before.get(str(State.FAILED)):
                    fixed.append(name)
                continue
            since = before.get(_kept(state))
            new = not since or (state is State.FAILED and before.get("state") == State.ACCEPTED)
            well = str(before.get("last_well", ""))
            drift[name] = Drift(str(since or at), well, new and state is not State.ACCEPTED)
        return drift, tuple(fixed)

    def write(self, outcomes: Iterable[Outcome], drift: dict[str, Drift], at: str) -> None:
        """Keep these results; checks that were not looked at this time stay as they were.

        Raises OSError.
        """
        known = dict(self._checks)
        for outcome in outcomes:
            name = outcome.check.name
            found = drift.get(name)
            row = {"state": str(outcome.state), "found": outcome.found, "at": at}
            row |= {"why": outcome.why} if outcome.why else {}
            if found is None:
                known[name] = row | {"last_well": at}
                continue
            failed = known.get(name, {}).get(str(State.FAILED))
            since = {str(State.FAILED): failed} if failed else {}
            row |= since | {_kept(outcome.state): found.since}
            known[name] = row | {"last_well": found.last_well}
        text = json.dumps({"format": FORMAT, "at": at, "checks": known}, indent=1) + "\n"
        _replace(self.path, text)

    def note(self, line: dict[str, Any]) -> None:
        """Add one audit to the journal, the oldest go. Raises OSError."""
        journal = self.path.with_name(JOURNAL)
        lines = journal.read_text().splitlines() if journal.exists() else []
        _replace(journal, "".join(f"{one}\n" for one in [*lines, json.dumps(line)][-MOST:]))

    @staticmethod
    def journal(folder: Path) -> Iterator[dict[str, Any]]:
        """Yield the lines of the journal, the oldest first; a damaged one is left out."""
        path = folder / JOURNAL
        for line in path.read_text().splitlines() if path.exists() else ():
            with contextlib.suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict):
                    yield found

    def forget(self, known: Iterable[str]) -> None:
        """Drop what is kept of checks that are no longer declared."""
        names = set(known)
        self._checks = {name: row for name, row in self._checks.items() if name in names}


def _kept(state: State) -> str:
    """Return under which name it is kept since when this is so: what is accepted differs, too."""
    return str(State.FAILED if state is State.ACCEPTED else state)


def _replace(path: Path, text: str) -> None:
    """Write a private file whole or not at all."""
    temporary = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
