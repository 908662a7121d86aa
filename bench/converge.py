"""Times the converge beside Ansible, on one fresh lab, in one run: `python bench/converge.py`.

How to read the result, and what was measured when: README.md beside this file. Exit status: 0
when every target is met, 1 when one is missed, 2 when something did not work and there is no
result.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import coverage, round_trips
from bench.ansible_side import Ansible
from bench.clawkeep_side import Clawkeep
from bench.drift import control
from bench.report import Report
from bench.series import FailedError, Series
from clawkeep.phases import PHASES
from lab.lab import Lab, down
from lab.state import LabError


def say(text: str) -> None:
    """Tell the terminal how far it is; the result goes to stdout."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


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


@contextmanager
def fresh_lab() -> Iterator[Lab]:
    """Start a lab that nothing else uses, and end it whatever happens."""
    name = f"bench-{os.getpid()}-{secrets.token_hex(3)}"
    try:
        yield Lab.up(name)
    finally:
        down(name)


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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5, help="timed runs of each tool (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    options = parser.parse_args(arguments)
    if options.turns < 1:
        parser.error("--turns must be at least 1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Short: the sockets of SSH masters are below it.
    with tempfile.TemporaryDirectory(prefix="clawkeep-bench-") as folder:
        project = Path(folder, "keep")
        project.mkdir()
        try:
            with fresh_lab() as lab:
                clawkeep = Clawkeep.copied(lab, project)
                report = measure(clawkeep, Path(folder), options.turns)
        except (FailedError, LabError) as error:
            say(f"no result: {error}")
            return 2
    sys.stdout.writelines(f"{line}\n" for line in report.lines())
    if options.json:
        options.json.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    return 0 if all(target.met for target in report.targets()) else 1


if __name__ == "__main__":
    sys.exit(main())
