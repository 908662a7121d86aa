"""References as they stand in group_data, or everything that is wrong with them, with its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from clawkeep.config.origin import Origins
from clawkeep.config.problem import ConfigError, Problem
from clawkeep.secrets.reference import BadReferenceError, Reference, parse

AGENT: Final = ("agent", "secrets")


def read_references(
    values: object, origins: Origins, at: tuple[str, ...] = AGENT
) -> dict[str, Reference]:
    """Return the references of one mapping of group_data, by name.

    `at` is where the mapping stands and `origins` says in which line. Raises ConfigError with all
    problems; none of them shows a value.
    """
    problems: list[Problem] = []
    found: dict[str, Reference] = {}
    if not isinstance(values, Mapping):
        problems.append(_problem(origins, at, "a mapping of names to references is expected here"))
        values = {}
    for name, value in values.items():
        if not isinstance(name, str):
            problems.append(_problem(origins, at, "the names of secrets are text"))
            continue
        try:
            found[name] = parse(value)
        except BadReferenceError as error:
            problems.append(_problem(origins, (*at, name), str(error)))
    if problems:
        raise ConfigError(tuple(problems))
    return found


def _problem(origins: Origins, location: tuple[str, ...], text: str) -> Problem:
    places = (origins.get(location[:length]) for length in range(len(location), 0, -1))
    path, mark = next(filter(None, places), ("group_data", None))
    return Problem(path, f"{'.'.join(location)}: {text}", mark)
