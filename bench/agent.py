"""Times a message until it is answered, through the direct runtime: `python -m bench.agent`.

One fresh keep whose guest runs the stand-in for NanoClaw. Its user starts an agent the way
NanoClaw does, and the same agent-runner bare: itself, with the same node, no other user, no walls.
Both ways in turn, so that both see the same machine; each asks the lab's model over the same way
out. The added time is the difference within a turn. How to read the result: README.md beside this
file. Exit status: command.py.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.command import Result, fresh_lab, parser, run, say
from bench.report import Target
from bench.series import FailedError
from tests.lab.agent_keep import JOB, AgentKeep, agent_keep
from tests.lab.guarding import wait
from tests.nanoclaw import repository

LIMIT_MS = 500
CLIENT = Path(__file__).with_name("agent_client.py")


def p95(values: Sequence[float]) -> float:
    """Return the value that 95 of 100 stay below."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def measured(keep: AgentKeep, turns: int) -> dict[str, list[list[float]]]:
    """Take both ways `turns` times, in the guest. Raises FailedError."""
    wait("NanoClaw", keep.pid, 60)
    # Its own agents must not run meanwhile: they would be of the same user.
    keep.guest(f"launchctl bootout {JOB}")
    script = f"cd; /usr/bin/python3 -I - {turns}"
    done = keep.built.lab.exec(
        "guest:nanoclaw-vm", ["/bin/sh", "-c", script], user="claw", input=CLIENT.read_text(),
        timeout=60 + 10 * turns,
    )  # fmt: skip
    if done.returncode:
        raise FailedError(f"{done.stdout}{done.stderr}")
    found: dict[str, list[list[float]]] = json.loads(done.stdout)
    return found


def benchmark(folder: Path, turns: int) -> Result:
    """Return the figures, from a fresh keep. Raises FailedError, LabError."""
    source = repository.build(folder / "nanoclaw.git")
    with fresh_lab() as lab:
        keep = agent_keep(lab, folder / "keep", source)
        say("first converge")
        done = keep.built.pyinfra("-y")
        if done.returncode:
            raise FailedError(done.stderr[-4000:])
        keep.built.clawkeep("agent", "say", "hello")
        say(f"{turns} turns")
        found = measured(keep, turns)
    return report(found)


def report(found: dict[str, list[list[float]]]) -> Result:
    """Return what `measured` found as lines, a promise and plain data."""
    series = {
        f"{way}, {what}": [1000 * turn[at] for turn in turns]
        for way, turns in found.items()
        for at, what in enumerate(("message to answer", "close to end", "CPU time"))
    }
    both = zip(found["runtime"], found["bare"], strict=True)
    added = series["added to an answer"] = [1000 * (ours[0] - bare[0]) for ours, bare in both]
    lines = [f"{'milliseconds':28} {'n':>4} {'min':>6} {'p50':>6} {'p95':>6} {'max':>6}"]
    for name, values in series.items():
        middle = statistics.median(values)
        lines.append(
            f"{name:28} {len(values):4} {min(values):6.0f} {middle:6.0f} {p95(values):6.0f}"
            f" {max(values):6.0f}"
        )
    target = Target("added to an answer, p95, ms", p95(added), LIMIT_MS)
    return Result(lines, [target], {name: [round(v, 1) for v in s] for name, s in series.items()})


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__, turns=40).parse_args(arguments)
    return run(lambda folder: benchmark(folder, options.turns), options.json)


if __name__ == "__main__":
    sys.exit(main())
