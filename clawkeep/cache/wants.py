"""What a declaration needs from outside: the plan by which the host fills its cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from clawkeep.cache.index import Want
from clawkeep.model import Agent, Keep
from clawkeep.model.offline import bottle_tag
from clawkeep.skills import packages
from clawkeep.skills.wanted import Wanted, wanted

SOURCE = "NanoClaw"
"""What the want of its source is called."""


@dataclass(frozen=True)
class Plan:
    """All wants of a keep, and which tools resolve them.

    Attributes:
        tag: the guest's kind of machine in Homebrew's words, such as `arm64_sequoia`.
        node: the formula of the Node whose npm resolves; "" when there is nothing for npm.
        python: the interpreter whose pip resolves; "" when there is nothing for pip.
        wants: by kind and name.
    """

    tag: str
    node: str
    python: str
    wants: tuple[Want, ...]

    def text(self) -> str:
        """Return what the host is sent."""
        return json.dumps(asdict(self))

    @property
    def tools(self) -> tuple[str, ...]:
        """The formulas that the host needs to fill its cache."""
        named = self.python.rpartition("/python")[2]
        python = f"python@{named}" if self.python.startswith(packages.HOMEBREW) else ""
        return tuple(name for name in (self.node, python) if name)


def plan(keep: Keep) -> Plan:
    """Return what a valid keep needs. Raises ValueError for an image of no known macOS."""
    tag = bottle_tag(keep.guest.image)
    skills = wanted(keep)
    named = [*keep.guest.packages, *packages.formulas(skills, keep.guest.packages)]
    # The environment is made with the guest's own tools, where it has any.
    python = packages.python_of(keep.guest.packages if keep.guest.pip_tools else named)
    found = [*_formulas(keep, skills, tag), *_npm(skills), *_pip(keep, skills, python)]
    found += _models(skills)
    if keep.agent:
        found.append(_source(keep.agent))
    kinds = {want.kind for want in found}
    node = keep.agent.release_profile.formula if keep.agent else packages.NODE
    return Plan(
        tag,
        node if kinds & {"npm", "source"} else "",
        python if "pip" in kinds else "",
        tuple(sorted(found, key=lambda want: (want.kind, want.name))),
    )


def _formulas(keep: Keep, skills: tuple[Wanted, ...], tag: str) -> Iterator[Want]:
    guests = (*keep.guest.packages, *keep.guest.tapped)
    for name in guests:
        yield Want("formula", name, tag, "guest", {})
    for name in packages.formulas(skills, keep.guest.packages):
        if name not in guests:
            users = [f"skills.{one.name}" for one in skills if name in one.wants.formulas]
            yield Want("formula", name, tag, ", ".join(users) or "skills", {})


def _npm(skills: tuple[Wanted, ...]) -> Iterator[Want]:
    for skill in skills:
        for name in skill.wants.npm:
            yield Want("npm", name, packages.NODE, f"skills.{skill.name}", {})


def _pip(keep: Keep, skills: tuple[Wanted, ...], python: str) -> Iterator[Want]:
    users = dict.fromkeys(keep.guest.pip_tools, "guest")
    for skill in skills:
        users |= {tool: f"skills.{skill.name}" for tool in skill.wants.pip if tool not in users}
    for tool, user in users.items():
        yield Want("pip", tool, python.rpartition("/")[2], user, {})


def _models(skills: tuple[Wanted, ...]) -> Iterator[Want]:
    for skill in skills:
        for model in skill.wants.models:
            data = {"sha256": model.sha256}
            yield Want("model", model.source, model.sha256, f"skills.{skill.name}", data)


def _source(agent: Agent) -> Want:
    commits = [(agent.source, agent.pin)]
    commits += [(s.repository or agent.source, s.commit) for s in agent.skills if s.commit]
    profile = agent.release_profile
    data = {"commits": commits, "rewrites": dict(profile.git_rewrites), "node": profile.formula}
    pins = "+".join(commit[:12] for _, commit in commits)
    return Want("source", SOURCE, f"{pins}, {profile.formula}", "agent", data)
