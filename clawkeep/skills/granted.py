"""Which groups' agents may use which skills, and what the guest's runtime is told of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from clawkeep.config.message import guess_key
from clawkeep.model.agent import MAIN_GROUP, Agent, Location
from clawkeep.model.keep import Keep
from clawkeep.skills import registry
from clawkeep.skills.agents import ForAgents, folder_of, guide
from clawkeep.skills.skill import Options
from clawkeep.skills.wanted import wanted

CONFIGURATION = "/etc/clawkeep/skills.json"
"""What the runtime and the tool server read, root's; it holds no secrets."""


def granted(keep: Keep) -> dict[str, tuple[str, ...]]:
    """Return the skills that each entry of `agent.group_skills` grants, the default made explicit.

    Without a declaration the main group may use all that agents can use, and no other group any.
    """
    if keep.agent is None:
        return {}
    if keep.agent.group_skills is not None:
        return dict(keep.agent.group_skills)
    return {MAIN_GROUP: (*given(keep), *sorted(keep.own_skills))}


def given(keep: Keep) -> dict[str, ForAgents]:
    """Return what the wanted skills give to agents, by skill."""
    return {one.name: one.wants.agents for one in wanted(keep) if one.wants.agents}


def groups_of(keep: Keep, skill: str) -> tuple[str, ...]:
    """Return the entries that grant a skill: folders of groups, `main`, `*`."""
    return tuple(group for group, skills in granted(keep).items() if skill in skills)


def serves(keep: Keep) -> bool:
    """Tell whether some group may use a skill whose verbs the service user does."""
    used = {skill for skills in granted(keep).values() for skill in skills}
    return any(what.verbs for skill, what in given(keep).items() if skill in used)


def configuration(keep: Keep) -> bytes:
    """Return the runtime's list of skills, JSON."""
    used = {skill for skills in granted(keep).values() for skill in skills}
    skills = {
        skill: {
            "folder": folder_of(skill),
            "texts": {"SKILL.md": guide(skill, what)},
            "files": [
                {"path": file.path, "rehomed": file.rehomed, "optional": file.optional}
                for file in what.files
            ],
            "verbs": {name: verb.as_json() for name, verb in what.verbs.items()},
        }
        for skill, what in given(keep).items()
        if skill in used
    }
    for name, texts in keep.own_skills.items():
        if name in used:
            skills[name] = {"folder": name, "texts": dict(texts), "files": [], "verbs": {}}
    allowed = keep.agent.release_skills if keep.agent else None
    data = {
        "groups": {group: list(names) for group, names in granted(keep).items()},
        "release": None if allowed is None else list(allowed),
        "skills": skills,
    }
    return (json.dumps(data, indent=1, sort_keys=True) + "\n").encode()


def conflicts(
    agent: Agent, skills: Mapping[str, Options], usable: set[str], own: Mapping[str, object]
) -> Iterator[tuple[Location, str]]:
    """Yield where `agent.group_skills` grants what nobody has, or no agent can use.

    `usable` are the wanted skills that give agents something, `own` the operator's folders.
    """
    for group, names in (agent.group_skills or {}).items():
        if group in agent.groups_denied:
            yield ("agent", "group_skills", group), "no agent starts for it (agent.groups_denied)"
        for index, name in enumerate(names):
            if name in usable or name in own:
                continue
            yield ("agent", "group_skills", group, index), _why(name, skills, usable, own)


def _why(
    name: str, skills: Mapping[str, Options], usable: set[str], own: Mapping[str, object]
) -> str:
    if name in skills:
        return f"no agent can use the skill {name!r}: it has nothing for them; take it out here"
    if name in registry():
        return f"the skill {name!r} is not wanted; add it to `skills`, or take it out here"
    known = sorted({*usable, *own})
    if near := guess_key(name, {*registry(), *own}):
        return f"there is no skill {name!r}; did you mean {near!r}?"
    return f"there is no skill {name!r}; agents can use {', '.join(known) or 'none as yet'}"
