"""What tests have shown of the matrix of faults, kept for the table of docs/explain/reliability.md.

A test asks for the fixture `faults` and tells it each row that it shows, with what it measured.
`CLAWKEEP_FAULTS=FILE` has the rows added to a JSON file once the test has passed; a row of a test
that failed is marked there, and `python -m bench.reliability` then writes no table.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.fault_matrix import ROWS

FILE = "CLAWKEEP_FAULTS"
#: Of the machine before the tests began: what else ran on it makes the times longer.
LOAD = os.getloadavg()[0]


@dataclass(frozen=True)
class Shown:
    """One line of the table. Seconds count from the fault; `lost` counts what was lost.

    `says` is what tells of the fault, or what held; `repair` who mends it, "" where nothing is
    mended. None is what was not measured, or has no meaning there.
    """

    of: str
    fault: str
    says: str
    repair: str = ""
    detected_s: float | None = None
    mended_s: float | None = None
    lost: int | None = None


@dataclass
class Faults:
    """Collects the rows of one test."""

    test: str
    rows: list[Shown] = field(default_factory=list)

    def show(
        self,
        of: str,
        fault: str,
        says: str,
        repair: str = "",
        *,
        detected_s: float | None = None,
        mended_s: float | None = None,
        lost: int | None = None,
    ) -> None:
        """Tell a row; `of` is a key of `bench.fault_matrix.ROWS`. Raises KeyError for another."""
        if of not in ROWS:
            raise KeyError(f"{of}: no row of the matrix; there are {', '.join(ROWS)}")
        times = [None if t is None else round(t, 1) for t in (detected_s, mended_s)]
        self.rows.append(Shown(of, fault, says, repair, times[0], times[1], lost))

    def write(self, path: Path, *, passed: bool) -> None:
        """Add the rows to the file. Several processes may write to it."""
        with path.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            data: dict[str, Any] = json.loads(file.read() or '{"rows": {}}')
            rows = data["rows"]
            if passed:
                about = {
                    "test": self.test,
                    "passed": True,
                    "when": time.strftime("%Y-%m-%d", time.gmtime()),
                    "cores": os.cpu_count(),
                    "load": round(LOAD, 1),
                }
                rows |= {f"{each.of}: {each.fault}": asdict(each) | about for each in self.rows}
            else:
                for name in rows:
                    rows[name]["passed"] &= rows[name]["test"] != self.test
            file.truncate(0)
            file.write(json.dumps(data, indent=1, sort_keys=True) + "\n")
