"""Counts remote commands: each is one SSH round trip at least.

Clawkeep: pyinfra's `--debug` names every command with its host. Ansible: `-vvv` shows every `ssh`
it executes over the warm connection. Neither run is timed.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

SET_UP = "connection set-up"

OPERATION = re.compile(r"Starting operation: (.+?) *$")
COMMAND = re.compile(r"Running command on ([^:]+): \(pty=")
PREPARING = "--> Preparing operation files"

PLAY = re.compile(r"^PLAY \[(.+?)\]")
TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.+?)\]")
EXECUTED = re.compile(r"^<(keep-host|keep-guest)> SSH: EXEC ")


@dataclass
class Count:
    """Remote commands by machine and by what they were for."""

    commands: Counter[tuple[str, str]] = field(default_factory=Counter)

    def on(self, machine: str) -> int:
        """Return how many commands a machine got, without the set-up of the connection."""
        return sum(n for (m, what), n in self.commands.items() if m == machine and what != SET_UP)

    def set_up(self, machine: str) -> int:
        """Return how many questions setting up the connections cost a machine."""
        return self.commands[machine, SET_UP]

    def rows(self) -> list[dict[str, object]]:
        """Return one row per machine and purpose, in the order in which they ran."""
        return [
            {"machine": machine, "for": what, "commands": n}
            for (machine, what), n in self.commands.items()
        ]


def of_clawkeep(output: str) -> Count:
    """Count in the output of `pyinfra … --debug`; machines are `host` and `guest`."""
    count, what = Count(), SET_UP
    for line in output.splitlines():
        if PREPARING in line:
            what = "deploy.py"
        elif match := OPERATION.search(line):
            what = match[1]
        elif match := COMMAND.search(line):
            count.commands["guest" if match[1].startswith("@tart/") else "host", what] += 1
    return count


def of_ansible(output: str) -> Count:
    """Count in the output of `ansible-playbook -vvv`; purposes are the names of plays."""
    count, play = Count(), ""
    for line in output.splitlines():
        if match := PLAY.match(line):
            play = match[1].partition(",")[0]
        elif match := EXECUTED.match(line):
            count.commands[match[1].removeprefix("keep-"), play] += 1
    return count
