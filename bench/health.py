"""Times `clawkeep health`: `python -m bench.health`.

One fresh keep with the stand-in for NanoClaw and its watcher at work. Whole processes are timed,
from `exec` to exit: the verb alone, which reads the watcher's record on the host, and the verb with
`--now`, which has the watcher look first. How to read the result: README.md beside this file. Exit
status: command.py.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.command import Result, fresh_lab, parser, run, say
from bench.report import Target
from bench.series import FailedError
from tests.lab.agent_keep import AgentKeep, agent_keep
from tests.lab.guarding import wait
from tests.nanoclaw import repository

LIMIT_S = 2.0


def once(keep: AgentKeep, *options: str) -> float:
    """Return the seconds of one call, which must tell of every layer. Raises FailedError."""
    began = time.monotonic()
    done = keep.built.clawkeep("health", "--json", *options)
    took = time.monotonic() - began
    report = json.loads(done.stdout or "{}")
    blind = [row["layer"] for row in report.get("layers", []) if row["verdict"] != "well"]
    if len(report.get("layers", [])) != 14 or report["watcher"]["problem"] or blind:
        raise FailedError(f"clawkeep health: {blind} {done.stdout[-2000:]}{done.stderr}")
    return took


def settled(keep: AgentKeep) -> bool:
    """Tell whether the watcher has seen everything well."""
    done = keep.built.clawkeep("health", "--now")
    return done.returncode == 0


def benchmark(folder: Path, turns: int) -> Result:
    """Return the figures, from a fresh keep. Raises FailedError, LabError."""
    source = repository.build(folder / "nanoclaw.git")
    with fresh_lab() as lab:
        keep = agent_keep(lab, folder / "keep", source)
        say("first converge")
        done = keep.built.pyinfra("-y")
        if done.returncode:
            raise FailedError(done.stderr[-4000:])
        wait("NanoClaw", keep.pid, 60)
        keep.answer("hello")
        wait("a watcher that sees all is well", lambda: settled(keep), 120)
        say(f"{turns} turns")
        pairs = [(once(keep), once(keep, "--now")) for _ in range(turns)]
    return report([a for a, _ in pairs], [b for _, b in pairs])


def report(record: list[float], looked: list[float]) -> Result:
    """Return the figures as lines, a promise and plain data."""
    lines = [f"{'seconds':28} {'n':>4} {'min':>6} {'median':>6} {'max':>6}"]
    series = {"clawkeep health": record, "clawkeep health --now": looked}
    for name, values in series.items():
        middle = statistics.median(values)
        row = f"{len(values):4} {min(values):6.2f} {middle:6.2f} {max(values):6.2f}"
        lines.append(f"{name:28} {row}")
    target = Target("clawkeep health, median, s", statistics.median(record), LIMIT_S)
    return Result(lines, [target], {name: [round(v, 3) for v in s] for name, s in series.items()})


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__, turns=15).parse_args(arguments)
    return run(lambda folder: benchmark(folder, options.turns), options.json)


if __name__ == "__main__":
    sys.exit(main())
