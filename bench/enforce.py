"""Times a saved allowlist until it is enforced: `python -m bench.enforce`.

On one fresh keep, in turn: a service is added to allowlist.yml and the network phase is run
(`pyinfra inventory.py deploy.py -y --data phase=network`), then it is removed the same way. The
time is that of the whole process; before a figure counts, the guest itself must have had an answer
through the new door, or a refusal at the removed one. Exit status: 0 when the target is met, 1 when
not, 2 without a result.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.clawkeep_side import Clawkeep
from bench.converge import fresh_lab, say
from bench.report import Target
from bench.series import FailedError, Run, Series
from lab.lab import Lab
from lab.state import LabError

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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="how often each is timed (5)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="clawkeep-bench-") as folder:
        project = Path(folder, "keep")
        project.mkdir()
        try:
            with fresh_lab() as lab:
                clawkeep = Clawkeep.copied(lab, project)
                say("first converge")
                clawkeep.converge()
                both = measure(clawkeep, options.turns)
        except (FailedError, LabError) as error:
            say(f"no result: {error}")
            return 2
    targets = [Target(f"{s.name}: YAML to enforced, median, s", s.median, LIMIT_S) for s in both]
    for series, target in zip(both, targets, strict=True):
        seconds = " ".join(f"{value:.2f}" for value in series.seconds)
        sys.stdout.write(f"{target.line()}\n    all: {seconds}\n")
    return 0 if all(target.met for target in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
