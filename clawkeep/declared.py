"""Finds and reads the declaration: allowlist.yml and group_data of the project that is deployed."""

from __future__ import annotations

import os
import runpy
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from clawkeep.config import ConfigError, Mark, Problem, load_keep
from clawkeep.model import Keep

PARTS = ("host", "guest", "egress", "decisions", "agent", "skills", "alerts", "backup", "snapshots")


def project() -> Path:
    """Return the folder of inventory.py and allowlist.yml: `CLAWKEEP_PROJECT`, else the cwd."""
    return Path(os.environ.get("CLAWKEEP_PROJECT") or Path.cwd())


def allowlist() -> Path:
    """Return the allowlist: `CLAWKEEP_ALLOWLIST`, else allowlist.yml of the project."""
    override = os.environ.get("CLAWKEEP_ALLOWLIST")
    path = Path(override) if override else project() / "allowlist.yml"
    # Shown in every error: as short as the operator would write it.
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@cache
def keep() -> Keep:
    """Return the declared keep, read once per process. Raises ConfigError with all problems."""
    folder = project() / "group_data"
    values = _values(folder / "all.py")
    _refuse_unknown(folder / "all.py", values)
    parts = {name: values.get(name, {}) for name in PARTS}
    return load_keep(
        allowlist(),
        parts["host"],
        parts["guest"],
        egress=parts["egress"],
        decisions=parts["decisions"],
        agent=values.get("agent"),
        backup=values.get("backup"),
        snapshots=values.get("snapshots"),
        skills=parts["skills"],
        alerts=values.get("alerts", ()),
        group_data=folder,
    )


def _refuse_unknown(path: Path, values: Mapping[str, Any]) -> None:
    """Raise ConfigError for a name that no part of the declaration has: it would be ignored."""
    names = [
        name
        for name, value in values.items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name not in PARTS
    ]
    lines = path.read_text().splitlines() if names else []
    problems = []
    for name in names:
        number = next((n for n, line in enumerate(lines, 1) if line.startswith(name)), 1)
        near = get_close_matches(name, PARTS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        text = f"unknown part {name!r}; expected {', '.join(PARTS)}{hint}"
        problems.append(Problem(str(path), text, Mark(number, 1)))
    if problems:
        raise ConfigError(tuple(problems))


def _values(path: Path) -> dict[str, Any]:
    """Return the module-level names of group_data/all.py. Raises ConfigError for what it raises."""
    try:
        return runpy.run_path(str(path))
    except OSError as error:
        problem = Problem(
            str(path),
            f"{error.strerror}; expected the declared host and guest here: run this in the folder "
            "of inventory.py, or set CLAWKEEP_PROJECT to it",
        )
    except SyntaxError as error:
        mark = Mark(error.lineno or 1, error.offset or 1)
        problem = Problem(str(path), f"is no Python: {error.msg}", mark)
    except Exception as error:  # noqa: BLE001 - the operator's file may raise anything
        lines = [f.lineno or 1 for f in extract_tb(error.__traceback__) if f.filename == str(path)]
        mark = Mark(lines[-1] if lines else 1, 1)
        problem = Problem(str(path), f"{type(error).__name__}: {error}", mark)
    raise ConfigError((problem,))
