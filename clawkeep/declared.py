"""Finds and reads the declaration: allowlist.yml and group_data of the project that is deployed."""

from __future__ import annotations

import os
import runpy
from functools import cache
from pathlib import Path
from typing import Any

from clawkeep.config import load_keep
from clawkeep.model import Keep

PARTS = ("host", "guest", "egress", "decisions")


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
    values: dict[str, Any] = runpy.run_path(str(folder / "all.py"))
    parts = {name: values.get(name, {}) for name in PARTS}
    return load_keep(
        allowlist(),
        parts["host"],
        parts["guest"],
        egress=parts["egress"],
        decisions=parts["decisions"],
        group_data=folder,
    )
