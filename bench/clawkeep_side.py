"""Clawkeep's side of the comparison: the commands an operator types, on a lab."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.series import FailedError, Run, timed
from lab.lab import Lab

CHECKOUT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

# pyinfra's word for an operation that changed something on a host.
CHANGED = re.compile(r"^ +\[[^]]+\] +Success$", re.MULTILINE)


# All that a converge reads.
PARTS = ("clawkeep", "connectors", "roles", "templates", "group_data")
FILES = ("deploy.py", "inventory.py", "allowlist.yml")


@dataclass(frozen=True)
class Clawkeep:
    """The shipped keep, deployed on a lab from a copy: an edit in the checkout spoils no figure."""

    lab: Lab
    project: Path

    @classmethod
    def copied(cls, lab: Lab, project: Path) -> Clawkeep:
        """Copy this checkout's keep into an empty folder."""
        for name in PARTS:
            shutil.copytree(CHECKOUT / name, project / name)
        for name in FILES:
            shutil.copy2(CHECKOUT / name, project / name)
        return cls(lab, project)

    def environment(self) -> dict[str, str]:
        """Return the environment of the operator's shell."""
        base = {k: v for k, v in os.environ.items() if not k.startswith("CLAWKEEP_")}
        return base | {
            "CLAWKEEP_LAB": self.lab.name,
            "CLAWKEEP_LAB_ROOT": str(self.lab.state.folder.parent),
            "CLAWKEEP_PROJECT": str(self.project),
            "PYTHONPATH": str(self.project),
            "PYINFRA_PROGRESS": "off",
        }

    def converge(self, *options: str) -> Run:
        """Run `pyinfra inventory.py deploy.py -y`."""
        command = [str(BIN / "pyinfra"), "inventory.py", "deploy.py", "-y", *options]
        return timed(command, self.project, self.environment())

    def no_op(self, *options: str) -> Run:
        """Run a converge that must change nothing. Raises FailedError when it did."""
        calls = len(self.lab.calls())
        run = self.converge(*options)
        if CHANGED.search(run.output):
            raise FailedError(f"a converge of a converged keep changed something:\n{run.output}")
        refuse_mutations(self.lab, calls, "a no-op converge of Clawkeep")
        return run

    def status(self) -> Run:
        """Run `clawkeep status`; it exits 0 only when everything is well."""
        return timed([str(BIN / "clawkeep"), "status"], self.project, self.environment())


def refuse_mutations(lab: Lab, since: int, who: str) -> None:
    """Raise FailedError when a stand-in was told to change something after the first calls."""
    changes = [call["argv"] for call in lab.calls()[since:] if call["mutates"]]
    if changes:
        raise FailedError(f"{who} called {len(changes)} mutating commands: {changes[:5]}")
