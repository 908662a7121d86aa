"""What the agents may do inside the guest, in sentences: as whom, on which files, with which keys.

These limits are the guest's own: users, groups and modes (docs/explain/agent.md). Whoever is root
in the guest stands above them, unlike the walls around it.
"""

from __future__ import annotations

from collections.abc import Iterator

from clawkeep.explain import skills
from clawkeep.explain.prose import code, listed, plural
from clawkeep.model import Agent, Keep
from clawkeep.model.agent import Skill
from clawkeep.nanoclaw.env import CREDENTIALS


def sentences(keep: Keep) -> Iterator[str]:
    """Yield the sentences about the declared agent; none where there is none."""
    agent = keep.agent
    if agent is None:
        return
    yield _source(agent)
    yield from _changes(agent)
    yield from _users(keep, agent)
    yield (
        "An agent can read and write the folder of its own group, with the conversations that it "
        "had there. It can read the program that runs it, and whatever any user of the guest may "
        "read."
    )
    yield (
        "The main group's agent is more than the others: it can write what all groups remember, "
        "make groups, and plan tasks and send messages in the name of any group."
    )
    yield (
        "An agent cannot read another group's folder, NanoClaw's database, settings and logs, nor "
        "what another agent's processes hold; and it cannot change NanoClaw, the program that "
        "starts agents, or the rules for it."
    )
    yield from _secrets(keep, agent)
    yield from skills.sentences(keep)
    if agent.groups_denied:
        groups = listed(code(folder) for folder in agent.groups_denied)
        yield f"No agent is started for {groups}."
    yield (
        "These are limits of the guest, kept by its users and their rights. Whoever is root in the "
        "guest is above them, and nobody above the walls around it."
    )


def _source(agent: Agent) -> str:
    known = agent.release_profile
    return (
        f"It is NanoClaw {code(known.version)}, built in the guest from the commit "
        f"{code(agent.pin)} of {code(agent.source)}, and from no other."
    )


def _changes(agent: Agent) -> Iterator[str]:
    if agent.skills:
        names = listed(_skill(skill) for skill in agent.skills)
        yield f"Its source is changed by {plural(len(agent.skills), 'skill')}: {names}."


def _skill(skill: Skill) -> str:
    commit = f" at {code(skill.commit)}" if skill.commit else ""
    repository = f" of {code(skill.repository)}" if skill.repository else ""
    return f"{code(skill.branch or skill.path)}{repository}{commit}"


def _users(keep: Keep, agent: Agent) -> Iterator[str]:
    first, *others = map(code, agent.agent_users)
    yield (
        f"NanoClaw runs as {code(keep.guest.user)}, and no agent does: the main group's runs as "
        f"{first}, a user without password, shell and home."
    )
    if others:
        yield (
            f"Every other group has one of {listed(others, 'or')} for itself, for ever; with more "
            "groups than that, the last ones get no agent."
        )
    else:
        yield "No other group gets an agent: there is no user for one."


def _secrets(keep: Keep, agent: Agent) -> Iterator[str]:
    credentials = [name for name in CREDENTIALS if name in agent.secrets]
    others = [name for name in sorted(agent.secrets) if name not in credentials]
    if credentials:
        yield (
            f"Every agent holds the model's credential ({listed(map(code, credentials))}) while it "
            "runs: it can read it, and send it to wherever the guest can send."
        )
    if others:
        yield (
            f"NanoClaw holds {listed(map(code, others))}; agents cannot read "
            f"{'it' if len(others) == 1 else 'them'}, but whoever is {code(keep.guest.user)} can."
        )
