"""Which unit tests reach which line of the renderers and of pf: those are run for a fault in it."""

from __future__ import annotations

import ast
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from bench.mutants import Site

CHECKOUT = Path(__file__).resolve().parents[1]
TARGETS = ("clawkeep/render", "clawkeep/pf")


@dataclass(frozen=True)
class Mutant:
    """One fault: the `number`th of its file."""

    file: str
    number: int
    site: Site

    def __str__(self) -> str:
        return f"{self.file}:{self.site.line}: {self.site.what}"


@dataclass(eq=False)
class Reach:
    """Which tests reach which line, in seconds per test. As a plugin of pytest it finds out."""

    lines: dict[str, dict[int, set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    seconds: dict[str, float] = field(default_factory=dict)
    _test: str = ""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Note what one test runs, and for how long."""
        forget()
        self._test, began = item.nodeid, time.perf_counter()
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(None)
            self.seconds[item.nodeid] = time.perf_counter() - began

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        """Note what a file of tests runs when it is imported: that is part of each of its tests."""
        self._test = collector.nodeid
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(None)

    def _call(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(tuple(f"{CHECKOUT}/{target}/" for target in TARGETS)):
            return None
        where = self.lines[name.removeprefix(f"{CHECKOUT}/")]
        where[frame.f_lineno].add(self._test)

        def line(inner: FrameType, _event: str, _arg: Any) -> Any:
            where[inner.f_lineno].add(self._test)
            return line

        return line

    def text(self) -> str:
        """Return it as JSON."""
        lines = {f: {n: sorted(t) for n, t in where.items()} for f, where in self.lines.items()}
        return json.dumps({"lines": lines, "seconds": self.seconds})

    def tests(self, mutant: Mutant, users: Mapping[str, set[str]]) -> list[str]:
        """Return the tests that run what was changed, quickest first.

        A constant of a module counts in all tests that use the module, or one that imports it, and
        in those whose file imports it.
        """
        where = self.lines.get(mutant.file, {})
        found: set[str] = set()
        if mutant.site.within:
            found |= where.get(mutant.site.line, set())
        else:
            for file in {mutant.file} | users.get(mutant.file, set()):
                found |= set().union(*self.lines.get(file, {}).values())
                found |= {test for test in self.seconds if file in imported(test)}
        files = tuple(f"{each}::" for each in found if each not in self.seconds)
        found = {test for test in self.seconds if test in found or test.startswith(files)}
        return sorted(found, key=lambda test: (self.seconds[test], test))


def forget() -> None:
    """Empty the caches of the functions: what one test has computed, the next one is to run."""
    for name, module in list(sys.modules.items()):
        if name.startswith(tuple(target.replace("/", ".") for target in TARGETS)):
            for each in vars(module).values():
                if hasattr(each, "cache_clear"):
                    each.cache_clear()


@cache
def _imported(file: str) -> frozenset[str]:
    return frozenset(_imports(CHECKOUT / file, ""))


def imported(test: str) -> frozenset[str]:
    """Return the files that the file of a test imports, of those that are changed."""
    return _imported(test.partition("::")[0])


def _imports(path: Path, target: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").replace(".", "/")
            module = f"{target}/{module}".rstrip("/") if node.level else module
            yield from (f"{module}.py", f"{module}/__init__.py")
            yield from (f"{module}/{each.name}.py" for each in node.names)


def users() -> dict[str, set[str]]:
    """Return which of the files import which, of those that are changed."""
    found: dict[str, set[str]] = defaultdict(set)
    for target in TARGETS:
        for path in (CHECKOUT / target).glob("*.py"):
            for file in _imports(path, target):
                found[file].add(str(path.relative_to(CHECKOUT)))
    return found
