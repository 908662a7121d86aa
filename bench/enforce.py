"""Times a saved allowlist until it is enforced: `python -m bench.enforce`.

On one fresh keep, in turn: a service is added to allowlist.yml and the network phase is run
(`pyinfra inventory.py deploy.py -y --data phase=network`), then it is removed the same way. The
time is that of the whole process; before a figure counts, the guest itself must have had an answer
through the new door, or a refusal at the removed one. Exit status: command.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.clawkeep_side import Clawkeep
from bench.command import Result, fresh_lab, parser, run, say
from bench.report import Target
from bench.series import FailedError, Run, Series
from lab.lab import Lab

LIMIT_S = 8
PORT = 18999
SERVICE = f"""
  - name: added
    port: {PORT}
    target: 10.0.30.5:8123
    kind: http
"""
ASK = ["/usr/bin/curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}"]


def enforce(clawkeep: Clawkeep) -> Run:
    """Run the network phase and return its time. Raises FailedError."""
    return clawkeep.converge("--data", "phase=network")


def reached(lab: Lab) -> bool:
    """Tell whether the guest gets a page through the added door. Raises FailedError."""
    url = f"http://192.168.64.1:{PORT}/"
    done = lab.exec("guest:nanoclaw-vm", [*ASK, url])
    if done.returncode not in {0, 7}:
        raise FailedError(f"curl in the guest: {done.returncode} {done.stderr}")
    return done.stdout == "200"


def measure(clawkeep: Clawkeep, turns: int) -> tuple[Series, Series]:
    """Add and remove the service in turn. Raises FailedError."""
    allowlist = clawkeep.project / "allowlist.yml"
    declared = allowlist.read_text()
    added, removed = Series("service added"), Series("service removed")
    for turn in range(1, turns + 1):
        for series, text, open_then in (
            (added, declared + SERVICE, True),
            (removed, declared, False),
        ):
            allowlist.write_text(text)
            series.add(enforce(clawkeep))
            if reached(clawkeep.lab) is not open_then:
                raise FailedError(f"{series.name}, but the guest sees the contrary")
        say(f"turn {turn} of {turns}: {added.seconds[-1]:.2f} s, {removed.seconds[-1]:.2f} s")
    return added, removed


def benchmark(folder: Path, turns: int) -> Result:
    """Return both figures, from a fresh keep. Raises FailedError, LabError."""
    project = folder / "keep"
    project.mkdir()
    with fresh_lab() as lab:
        clawkeep = Clawkeep.copied(lab, project)
        say("first converge")
        clawkeep.converge()
        both = measure(clawkeep, turns)
    targets = [Target(f"{s.name}: YAML to enforced, median, s", s.median, LIMIT_S) for s in both]
    lines = (f"{s.name}: {' '.join(f'{value:.2f}' for value in s.seconds)}" for s in both)
    return Result(lines, targets, {series.name: series.as_json() for series in both})


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__, turns=5).parse_args(arguments)
    return run(lambda folder: benchmark(folder, options.turns), options.json)


if __name__ == "__main__":
    sys.exit(main())
