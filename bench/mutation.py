"""Mutation testing of the renderers and of pf's evaluator: `python -m bench.mutation`.

Plants one small fault at a time (`bench.mutants`) in clawkeep/render/ and clawkeep/pf/ and runs the
unit tests that reach the line, quickest first, until one fails. A fault that no test notices is a
*survivor*: shown with its line, as is one that no test even reaches. Exit status 1 when fewer than
90 % were noticed, 2 when the tests fail without any fault.

Each fault lives in a process forked for it: no file is changed, and nothing is left behind. Linux.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from hypothesis import Phase, settings

from bench.mutants import mutated, sites
from bench.reach import CHECKOUT, TARGETS, Mutant, Reach, users

RESULTS = CHECKOUT / "bench" / "mutation.json"
PROMISED = 0.9
#: A fault that makes a program run for ever is noticed by that; the whole set takes a minute.
LIMIT_S = 120

#: Imported once, before all the forks: none of it imports what is changed.
WARM = (
    "hypothesis.strategies", "pydantic", "clawkeep.declared", "clawkeep.model", "clawkeep.policy",
    "clawkeep.declaration",
)  # fmt: skip

TESTS = [
    "tests/unit/render",
    "tests/unit/pf",
    "tests/unit/config/test_backup.py",
    "tests/unit/config/test_snapshots.py",
]
"""Those of the renderers and of pf, and of what is declared and rendered from beginning to end."""


def mutants() -> list[Mutant]:
    """Return every fault that can be planted."""
    files = [path for target in TARGETS for path in sorted((CHECKOUT / target).glob("*.py"))]
    return [
        Mutant(str(path.relative_to(CHECKOUT)), number, site)
        for path in files
        for number, site in enumerate(sites(ast.parse(path.read_text())))
    ]


class Planted(SourceFileLoader):
    """Loads a module as it is with one fault in it."""

    number = 0

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source with its fault; nothing is read from a cache or written to one."""
        path = self.get_filename(fullname)
        tree = mutated(Path(path).read_text(), self.number)
        return compile(tree, path, "exec", dont_inherit=True)


class Finder:
    """Finds that one module, before anybody else does."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.name = mutant.file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    def find_spec(self, name: str, _path: object, _target: object = None) -> ModuleSpec | None:
        """Find it, and nothing else."""
        if name != self.name:
            return None
        path = str(CHECKOUT / self.mutant.file)
        loader = Planted(name, path)
        loader.number = self.mutant.number
        return spec_from_file_location(name, path, loader=loader)


class Brief:
    """Has Hypothesis say that there is an example, and not look for the smallest one."""

    def pytest_collection(self) -> None:
        """Set it, once the tests' own settings are there."""
        phases = [each for each in Phase if each not in {Phase.shrink, Phase.explain}]
        settings.register_profile("brief", settings(), phases=phases, derandomize=True)
        settings.load_profile("brief")


def run(
    arguments: Sequence[str], plugins: Sequence[object] = (), mutant: Mutant | None = None
) -> int:
    """Run pytest in a process of its own; return its pid."""
    if pid := os.fork():
        return pid
    status = 70
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        if mutant is not None:
            sys.meta_path.insert(0, Finder(mutant))
            signal.alarm(LIMIT_S)
        sys.dont_write_bytecode = True
        options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments]
        status = int(pytest.main(options, plugins=[Brief(), *plugins]))
    except BaseException:  # noqa: BLE001 - whatever a fault does, it is noticed
        pass
    finally:
        os._exit(status)


def reach(folders: Sequence[str]) -> Reach:
    """Run all tests once, without a fault. Raises RuntimeError when they fail."""

    class Kept(Reach):
        def pytest_sessionfinish(self) -> None:
            Path(file.name).write_text(self.text())

    with tempfile.NamedTemporaryFile() as file:
        _, status = os.waitpid(run(folders, [Kept()]), 0)
        if status:
            raise RuntimeError("the tests fail without a fault; see pytest " + " ".join(folders))
        data = json.loads(Path(file.name).read_text())
    found = Reach(seconds=data["seconds"])
    for name, where in data["lines"].items():
        for line, tests in where.items():
            found.lines[name][int(line)] = set(tests)
    return found


def judge(chosen: Sequence[Mutant], known: Reach, jobs: int) -> Iterator[tuple[Mutant, str]]:
    """Yield each fault with what became of it: `noticed`, `survived` or `not reached`."""
    imported, under_way = users(), dict[int, Mutant]()
    waiting = list(chosen)
    while waiting or under_way:
        while waiting and len(under_way) < jobs:
            mutant = waiting.pop(0)
            tests = known.tests(mutant, imported)
            if tests:
                under_way[run(tests, mutant=mutant)] = mutant
            else:
                yield mutant, "not reached"
        if not under_way:
            continue
        pid, status = os.wait()
        mutant = under_way.pop(pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        yield mutant, "survived" if status == 0 else "noticed"


def summary(outcome: Mapping[str, Sequence[str]], every: int, seed: int) -> dict[str, Any]:
    """Return the figures, by folder and in all."""
    tried = sum(len(each) for each in outcome.values())
    return {
        "when": time.strftime("%Y-%m-%d", time.gmtime()),
        "of": every,
        "tried": tried,
        "noticed": len(outcome["noticed"]),
        "seed": seed,
        "survived": sorted(outcome["survived"]),
        "not_reached": sorted(outcome["not reached"]),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, default=0, help="so many faults, drawn by chance")
    parser.add_argument("--seed", type=int, default=1, help="which ones are drawn")
    parser.add_argument("--only", default="", help="only files whose path has this in it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tests", nargs="+", default=TESTS, help="where the tests are")
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args(arguments)
    os.chdir(CHECKOUT)
    every = [each for each in mutants() if options.only in each.file]
    chosen = every
    if 0 < options.sample < len(every):
        chosen = random.Random(options.seed).sample(every, options.sample)
    for name in WARM:
        importlib.import_module(name)
    try:
        known = reach(options.tests)
    except RuntimeError as error:
        print(f"bench.mutation: {error}", file=sys.stderr)
        return 2
    print(f"{len(known.seconds)} tests, {len(chosen)} of {len(every)} faults", flush=True)
    outcome: dict[str, list[str]] = {"noticed": [], "survived": [], "not reached": []}
    for number, (mutant, became) in enumerate(judge(chosen, known, options.jobs), 1):
        outcome[became].append(str(mutant))
        if number % 100 == 0:
            print(f"{number} tried, {len(outcome['noticed'])} noticed", flush=True)
        if became != "noticed":
            print(f"{became}: {mutant}", flush=True)
    found = summary(outcome, len(every), options.seed)
    share = found["noticed"] / max(1, found["tried"])
    print(f"noticed {found['noticed']} of {found['tried']}: {100 * share:.1f} %")
    if options.record:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    return int(share < PROMISED)


if __name__ == "__main__":
    sys.exit(main())
