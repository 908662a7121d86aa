"""That the playbook looks at every file and job that a no-op converge of Clawkeep looks at."""

from __future__ import annotations

import json
import re
from pathlib import Path

# In pyinfra's debug output the probes' scripts are quoted, some twice; paths need no quotes.
LOOK = re.compile(r"%Lp\|%Su\|%Sg\|%N['\"]* ((?:/[^\s'\"]+ ?)+)")
JOB = re.compile(r"launchctl print ((?:system|gui/\d+)/[A-Za-z0-9._-]+)")


def asked_by_clawkeep(debug: str) -> set[str]:
    """Return the paths and launchd targets in the commands of a `pyinfra --debug` run."""
    paths = {path for match in LOOK.findall(debug) for path in match.split()}
    return paths | set(JOB.findall(debug))


def asked_by_ansible(folder: Path) -> set[str]:
    """Return the paths and launchd targets that the playbook's variables make it look at."""
    variables = json.loads((folder / "vars.json").read_text())
    found: set[str] = set()
    for role in variables.values():
        for rows in role.values() if isinstance(role, dict) else ():
            if isinstance(rows, list):
                found |= {row["path"] for row in rows if isinstance(row, dict) and "path" in row}
                found |= {
                    row["target"] for row in rows if isinstance(row, dict) and "target" in row
                }
    return found
