"""Times the verbs that look at a keep: `python -m bench.looks`.

One fresh keep with the stand-in for NanoClaw and its watcher at work. Whole processes are timed,
from `exec` to exit, in turn: `health` reads the watcher's record on the host, and with `--now` has
it look first; `status` probes every door from inside the guest; `plan` asks every operation what it
would change; `audit` holds the whole keep against the declaration. A look that does not see all
well is an error, no figure. How to read the result: README.md beside this file. Exit status:
command.py.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.command import Result, fresh_lab, parser, run, say
from bench.report import Target
from bench.series import FailedError
from tests.lab.agent_keep import AgentKeep, agent_keep
from tests.lab.guarding import wait
from tests.nanoclaw import repository

#: What is timed, and the seconds that its median may take.
VERBS: dict[tuple[str, ...], float | None] = {
    ("health", "--json"): 2.0,
    ("health", "--json", "--now"): None,
    ("status", "--json"): 1.0,
    ("plan", "--json"): 5.0,
    ("audit", "--json"): None,
}


def once(keep: AgentKeep, verb: tuple[str, ...]) -> float:
    """Return the seconds of one call, which must find all well. Raises FailedError."""
    began = time.monotonic()
    done = keep.built.clawkeep(*verb)
    took = time.monotonic() - began
    if done.returncode != 0:
        said = done.stdout[-2000:] + done.stderr[-2000:]
        raise FailedError(f"clawkeep {' '.join(verb)} ended with {done.returncode}: {said}")
    return took


def settled(keep: AgentKeep) -> bool:
    """Tell whether everything is seen to be well: a process is not in its first minute."""
    looks = (("health", "--now"), ("status",))
    return all(keep.built.clawkeep(*look).returncode == 0 for look in looks)


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
        rounds = [{verb: once(keep, verb) for verb in VERBS} for _ in range(turns)]
    return report({verb: [found[verb] for found in rounds] for verb in VERBS})


def report(series: Mapping[tuple[str, ...], list[float]]) -> Result:
    """Return the figures as lines, promises and plain data."""
    lines = [f"{'seconds':24} {'n':>4} {'min':>6} {'median':>6} {'max':>6}"]
    targets = []
    for verb, values in series.items():
        name, middle = " ".join(verb), statistics.median(values)
        row = f"{len(values):4} {min(values):6.2f} {middle:6.2f} {max(values):6.2f}"
        lines.append(f"{name:24} {row}")
        if limit := VERBS[verb]:
            targets.append(Target(f"clawkeep {name}, median, s", middle, limit))
    figures = {" ".join(verb): [round(v, 3) for v in values] for verb, values in series.items()}
    return Result(lines, targets, figures)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser(__doc__, turns=15).parse_args(arguments)
    return run(lambda folder: benchmark(folder, options.turns), options.json)


if __name__ == "__main__":
    sys.exit(main())
