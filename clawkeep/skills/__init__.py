"""Skills: what the guest can do, one module each; a new one is a new file here.

Every module of this package that has a `SKILL` is a skill, called as its file is.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from clawkeep.skills.skill import Skill


@cache
def registry() -> dict[str, Skill[Any]]:
    """Return all skills by name."""
    found = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        skill = getattr(importlib.import_module(f"{__name__}.{module.name}"), "SKILL", None)
        if isinstance(skill, Skill):
            found[module.name] = skill
    return found
