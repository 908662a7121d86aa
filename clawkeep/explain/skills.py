"""What agents may use of the guest's skills, in sentences: which groups, with whose tokens."""

from __future__ import annotations

from collections.abc import Iterator

from clawkeep.explain.prose import code, listed
from clawkeep.model import Keep
from clawkeep.model.agent import EVERY_GROUP, MAIN_GROUP
from clawkeep.skills.agents import ForAgents
from clawkeep.skills.granted import given, granted
from clawkeep.skills.wanted import wanted


def sentences(keep: Keep) -> Iterator[str]:
    """Yield the sentences; none where no skill is wanted."""
    if not keep.skills and not keep.own_skills:
        return
    gives = given(keep)
    grants = {group: names for group, names in granted(keep).items() if names}
    if not grants:
        yield "No agent may use any of the guest's skills."
        return
    for group, names in grants.items():
        yield f"{_who(group)} may use {listed(map(code, names))}, from its next run on."
    used = sorted({name for names in grants.values() for name in names})
    secret = {
        file.path: one.name
        for one in wanted(keep)
        for file in one.wants.secret_files
        if one.name in used
    }
    held = sorted({secret[file.path] for name in used if name in gives
                   for file in gives[name].files if file.path in secret})  # fmt: skip
    if held:
        yield (
            f"While it runs, such an agent has the files of {listed(map(code, held))} in its "
            "home: it can read the token, key or password in them, do all that it allows, and "
            "send it to wherever the guest can send."
        )
    served = [name for name in used if name in gives and gives[name].verbs]
    if served:
        yield (
            f"Of {listed(_verbs(name, gives[name]) for name in served)} it can have done only "
            f"these things, by {code(keep.guest.user)}, and is given no file for it."
        )
    if none := sorted(set(keep.skills) - set(used)):
        yield f"No agent may use {listed(map(code, none), 'or')}."


def _who(group: str) -> str:
    if group == EVERY_GROUP:
        return "Every group's agent"
    if group == MAIN_GROUP:
        return "The main group's agent"
    return f"The agent of the group {code(group)}"


def _verbs(name: str, given: ForAgents) -> str:
    return f"{code(name)} ({', '.join(map(code, given.verbs))})"
