"""What is wrong with a declaration, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

SHOWN = 50
"""How many problems one error shows; a file with more is not an allowlist."""


class Mark(NamedTuple):
    """A place in a text, counted from 1, in lines and characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct: what was found, what was expected, what to do."""

    path: str
    message: str
    mark: Mark | None = None

    def __str__(self) -> str:
        where = f"{self.path}:{self.mark.line}:{self.mark.column}" if self.mark else self.path
        return f"{where}: {self.message}"


def _place(problem: Problem) -> tuple[str, Mark, str]:
    return (problem.path, problem.mark or Mark(0, 0), problem.message)


class ConfigError(Exception):
    """A declaration that cannot be used. `problems` holds all of them, in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=_place))
        super().__init__(self.problems)

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:SHOWN]]
        more = len(self.problems) - len(lines)
        return "\n".join([*lines, f"... and {more} more"] if more else lines)
