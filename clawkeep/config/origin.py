"""Where in group_data a value was declared."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from clawkeep.config.problem import Mark

Location = tuple[str | int, ...]
Origins = dict[Location, tuple[str, Mark]]
"""('guest', 'mounts', 0, 'path') -> file and place of that value."""


def read_origins(directory: Path) -> Origins:
    """Return the places of all literal values in the group_data files of `directory`.

    Only for error messages: a file that cannot be read or parsed adds nothing, since pyinfra,
    which executes these files, has its own words for that. The files are not executed here.
    """
    origins: Origins = {}
    for path in sorted(directory.glob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, SyntaxError, RecursionError):
            continue
        for name, value in _assignments(tree):
            for location, mark in _places((name,), value):
                origins.setdefault(location, (str(path), mark))
    return origins


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def _places(location: Location, value: ast.expr) -> Iterator[tuple[Location, Mark]]:
    yield location, Mark(value.lineno, value.col_offset + 1)
    if isinstance(value, ast.Dict):
        for key, item in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield from _places((*location, key.value), item)
    elif isinstance(value, (ast.List, ast.Tuple)):
        for index, item in enumerate(value.elts):
            yield from _places((*location, index), item)
