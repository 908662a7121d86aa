"""Counts remote commands: each is one SSH round trip at least.

Clawkeep: pyinfra's `--debug` names every command with its host. Ansible: `-vvv` shows every `ssh`
it executes over the warm connection. Neither run is timed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

#: What is asked of the host to reach the guest: it belongs to no role.
SET_UP = "connection set-up"

OPERATION = re.compile(r"^--> Starting operation: (.+?) *$")
COMMAND = re.compile(r"Running command on ([^:]+): \(pty=")
PREPARING = "--> Preparing operation files"

PLAY = re.compile(r"^PLAY \[(\w+) .+\]")
EXECUTED = re.compile(r"^<keep-(host|guest)> SSH: EXEC ")


@dataclass
class Count:
    """Remote commands by role, machine and operation."""

    commands: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def of(self, role: str, machine: str) -> int:
        """Return how many commands `machine` (host, guest) got for `role`."""
        return sum(n for (r, m, _), n in self.commands.items() if (r, m) == (role, machine))

    def total(self) -> int:
        """Return all of them."""
        return self.commands.total()

    def rows(self) -> list[dict[str, object]]:
        """Return one row per role, machine and operation, in the order in which they ran."""
        return [
            {"role": role, "machine": machine, "operation": operation, "commands": n}
            for (role, machine, operation), n in self.commands.items()
        ]


def operations(output: str) -> list[str]:
    """Return the names of the operations that a run of pyinfra went through."""
    return [match[1] for line in output.splitlines() if (match := OPERATION.match(line))]


def of_clawkeep(output: str, roles: Mapping[str, str]) -> Count:
    """Count in the output of `pyinfra … --debug`; `roles` gives the role of each operation.

    An operation without a role is a barrier: what it asks is set-up of a connection. What is asked
    while deploy.py is read is counted for `base`, which asks it.
    """
    count = Count()
    role, operation = SET_UP, "connect"
    for line in output.splitlines():
        if PREPARING in line:
            role, operation = "base", "deploy.py"
        elif match := OPERATION.match(line):
            role, operation = roles.get(match[1], SET_UP), match[1]
        elif match := COMMAND.search(line):
            machine = "guest" if match[1].startswith("@tart/") else "host"
            count.commands[role, machine, operation] += 1
    return count


def of_ansible(output: str) -> Count:
    """Count in the output of `ansible-playbook -vvv`; the first word of a play is its role."""
    count, role, task = Count(), "", ""
    for line in output.splitlines():
        if match := PLAY.match(line):
            role = match[1]
        elif line.startswith("TASK ["):
            task = line[6:].partition("]")[0]
        elif match := EXECUTED.match(line):
            count.commands[role, match[1], task] += 1
    return count
