"""Names of tools, as brew and pip know them."""

from __future__ import annotations

import re

FORMULA = re.compile(r"[a-z0-9][a-z0-9@+._-]*")
TAPPED = re.compile(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9@+._-]*")
PIP_TOOL = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?(?:==[A-Za-z0-9][A-Za-z0-9.!+-]*)?")


def formula(name: str) -> str:
    """Return `name` when it can be a core formula of brew, raise ValueError otherwise."""
    if TAPPED.fullmatch(name):
        raise ValueError(f"{name!r} comes from a tap; list it under `tapped`, which trusts it")
    if not FORMULA.fullmatch(name):
        raise ValueError(f"{name!r} is no formula name")
    return name


def tapped_formula(name: str) -> str:
    """Return `name` when it is a full `user/tap/formula`, raise ValueError otherwise.

    brew refuses a short name from a tap that nobody trusted, and trusts exactly the formula that
    is named in full. Source: reference/macos.md §7.
    """
    if not TAPPED.fullmatch(name):
        raise ValueError(f"{name!r} is not written user/tap/formula")
    return name


def pip_tool(name: str) -> str:
    """Return `name` when it is `name` or `name==version`, raise ValueError otherwise."""
    if not PIP_TOOL.fullmatch(name):
        raise ValueError(f"{name!r} is neither a tool's name nor name==version, in lower case")
    return name


def once_each(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return `names`; raise ValueError when one of them stands there twice."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} stands there twice")
    return names
