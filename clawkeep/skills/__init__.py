"""Skills: what the guest can do. Each is a module of `catalog`; a new one is a new file there."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from clawkeep.skills import catalog
from clawkeep.skills.skill import Skill


@cache
def registry() -> dict[str, Skill[Any]]:
    """Return all skills by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(catalog.__path__))
    return {name: importlib.import_module(f"{catalog.__name__}.{name}").SKILL for name in names}
