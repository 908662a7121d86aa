"""Times the converge beside Ansible, on one fresh lab, in one run: `python -m bench.converge`.

How to read the result, and what was measured: README.md beside this file. Exit status:
command.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench import coverage, round_trips
from bench.ansible_side import Ansible
from bench.clawkeep_side import Clawkeep
from bench.command import Result, fresh_lab, parser, run, say
from bench.drift import control
from bench.report import Report
from bench.series import FailedError, Series
from clawkeep.phases import PHASES


def measure(clawkeep: Clawkeep, folder: Path, turns: int) -> Report:
    """Do all of it on a fresh lab. Raises FailedError."""
    report = Report(
        Series("first converge of Clawkeep"),
        Series("no-op of Clawkeep"),
        Series("no-op of the Ansible playbook"),
        Series("clawkeep status"),
    )
    say("first converge")
    report.first.add(clawkeep.converge())
    ansible = Ansible.prepare(clawkeep, folder)
    try:
        say("warming up: one no-op of each, not timed")
        clawkeep.no_op()
        ansible.no_op()
        clawkeep.status()
        for turn in range(1, turns + 1):
            report.clawkeep.add(clawkeep.no_op())
            report.ansible.add(ansible.no_op())
            report.status.add(clawkeep.status())
            say(f"turn {turn} of {turns}: " + ", ".join(
                f"{series.name} {series.seconds[-1]:.2f} s"
                for series in (report.clawkeep, report.ansible, report.status)
            ))  # fmt: skip
        say("counting round trips, not timed")
        count(clawkeep, ansible, report)
        say("damaging the keep: both tools must notice")
        report.noticed = control(clawkeep, ansible)
    finally:
        ansible.close()
    return report


def count(clawkeep: Clawkeep, ansible: Ansible, report: Report) -> None:
    """Count round trips, and hold what both tools look at against each other."""
    debug = clawkeep.no_op("--debug").output
    by_operation = roles(clawkeep)
    report.clawkeep_trips = round_trips.of_clawkeep(debug, by_operation)
    report.ansible_trips = round_trips.of_ansible(ansible.no_op("-vvv").output)
    missing = coverage.asked_by_clawkeep(debug) - coverage.asked_by_ansible(ansible.folder)
    if missing:
        raise FailedError(f"the playbook does not look at {', '.join(sorted(missing))}")
    with fresh_lab() as other:
        first = Clawkeep(other, clawkeep.project).converge("--debug").output
    report.first_trips = round_trips.of_clawkeep(first, by_operation)


def roles(clawkeep: Clawkeep) -> dict[str, str]:
    """Return the role of each operation: the last phase that has it when it runs alone.

    `network` closes the bridges in every phase, so what it has is its own wherever it shows up. The
    barriers are in all phases and are no role's.
    """
    found: dict[str, str] = {}
    for phase in PHASES:
        output = clawkeep.no_op("--data", f"phase={phase}").output
        found |= dict.fromkeys(round_trips.operations(output), phase)
    return {name: role for name, role in found.items() if not name.startswith("All | ")}


def benchmark(folder: Path, turns: int) -> Result:
    """Return all figures, from a fresh lab. Raises FailedError, LabError."""
    project = folder / "keep"
    project.mkdir()
    with fresh_lab() as lab:
        report = measure(Clawkeep.copied(lab, project), folder, turns)
    return Result(report.lines(), report.targets(), report.as_json())


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__, turns=5).parse_args(arguments)
    return run(lambda folder: benchmark(folder, options.turns), options.json)


if __name__ == "__main__":
    sys.exit(main())
