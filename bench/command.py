"""What the command lines of all benchmarks share: options, progress, a lab, the exit status.

0 when every target is met, 1 when one is missed, 2 when something did not work and there is no
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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.report import Target
from bench.series import FailedError
from lab.lab import Lab, down
from lab.state import LabError


@dataclass(frozen=True)
class Result:
    """What a benchmark found: lines for a terminal, the promises, every figure as plain data."""

    lines: Iterable[str]
    targets: Iterable[Target]
    data: object


def parser(description: str | None, turns: int) -> argparse.ArgumentParser:
    """Return the parser of a benchmark that repeats itself `turns` times unless told otherwise."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    made.add_argument("--turns", type=_count, default=turns, help=f"how often ({turns})")
    made.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    return made


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def run(measure: Callable[[Path], Result], file: Path | None) -> int:
    """Measure in a temporary folder, print the result, and return the exit status.

    `file` is where the figures go as JSON.
    """
    # A lab is ended also when somebody ends us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Short: the sockets of SSH masters are below it.
    with tempfile.TemporaryDirectory(prefix="clawkeep-bench-") as folder:
        try:
            result = measure(Path(folder))
        except (FailedError, LabError, OSError) as error:
            say(f"no result: {error}")
            return 2
    targets = list(result.targets)
    for line in (*result.lines, "", *(target.line() for target in targets)):
        sys.stdout.write(f"{line}\n")
    if file is not None:
        file.write_text(json.dumps(result.data, indent=2) + "\n")
    return 0 if all(target.met for target in targets) else 1


def say(text: str) -> None:
    """Tell the terminal how far it is; the result goes to stdout."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


@contextmanager
def fresh_lab() -> Iterator[Lab]:
    """Start a lab that nothing else uses, and end it whatever happens."""
    name = f"bench-{os.getpid()}-{secrets.token_hex(3)}"
    try:
        yield Lab.up(name)
    finally:
        down(name)
