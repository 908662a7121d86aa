"""What the wanted skills need of Homebrew, npm and pip, all together."""

from __future__ import annotations

from collections.abc import Sequence

from clawkeep.skills.wanted import Wanted

HOMEBREW = "/opt/homebrew"
NODE = "node@22"
PYTHON = "python@3.13"


def formulas(skills: Sequence[Wanted], declared: Sequence[str]) -> list[str]:
    """Return the formulas of all skills, with Node and Python where they take some.

    `declared` are the guest's own packages: their Python is good enough.
    """
    named = [name for skill in skills for name in skill.wants.formulas]
    if any(skill.wants.npm for skill in skills):
        named.append(NODE)
    if pip_tools(skills) and not any(name.startswith("python@") for name in declared):
        named.append(PYTHON)
    return list(dict.fromkeys(named))


def npm_packages(skills: Sequence[Wanted]) -> dict[str, tuple[str, ...]]:
    """Return the npm packages of all skills, as `name@version`, with their commands."""
    return {package: tuple(c) for skill in skills for package, c in skill.wants.npm.items()}


def pip_tools(skills: Sequence[Wanted]) -> list[str]:
    """Return the tools of the virtual environment, as `name==version`."""
    return list(dict.fromkeys(tool for skill in skills for tool in skill.wants.pip))


def python_of(packages: Sequence[str]) -> str:
    """Return the interpreter of the declared `python@X.Y`, or the machine's own one."""
    for package in packages:
        if package.startswith("python@"):
            return f"{HOMEBREW}/bin/python{package.partition('@')[2]}"
    return "/usr/bin/python3"
