"""The skills that a keep declares: whether they fit it, and what they come to."""

from __future__ import annotations

import hashlib
import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from clawkeep import profiles
from clawkeep.domains import allows
from clawkeep.model.egress import Egress
from clawkeep.model.keep import Keep
from clawkeep.model.service import Service
from clawkeep.skills import registry
from clawkeep.skills.skill import MissingDoorError, Options, Scene, Skill, Wants

ON_HOST = ("host_whisper",)
"""The skills whose other half runs on the host."""


@dataclass(frozen=True)
class Wanted:
    """One declared skill."""

    name: str
    skill: Skill[Any]
    options: Options
    wants: Wants

    @cached_property
    def probe(self) -> dict[str, Any]:
        """What the guest is sent to prove it; see `clawkeep.skills.tools`."""
        return {
            "name": self.skill.probe.__name__,
            "source": _source(self.skill),
            "question": dict(self.wants.question),
            "timeout_s": self.skill.timeout_s,
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that was declared and derived: a proof of another one proves nothing."""
        wants = self.wants
        said = {
            "options": self.options.model_dump(mode="json"),
            "packages": [wants.formulas, {**wants.npm}, wants.pip],
            "models": [model.sha256 for model in wants.models],
            "host": [wants.host.verb, wants.host.model.sha256] if wants.host else [],
            "texts": [{**wants.programs}, {**wants.files}],
            "secrets": [{**wants.secrets}, [file.path for file in wants.secret_files]],
            "probe": self.probe,
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @property
    def paths(self) -> tuple[str, ...]:
        """The files in the user's home that are its."""
        secret = (file.path for file in self.wants.secret_files)
        return (*self.wants.files, *secret, *self.wants.marks)


def _source(skill: Skill[Any]) -> str:
    # Annotations are not evaluated, so that they may be newer than the guest's Python.
    text = textwrap.dedent(inspect.getsource(skill.probe))
    return f"from __future__ import annotations\n{text}"


def wanted(keep: Keep) -> tuple[Wanted, ...]:
    """Return the skills of a keep that was validated, by name."""
    scene = scene_of(keep.guest.user, keep.services)
    found = []
    for name, options in sorted(keep.skills.items()):
        skill = registry()[name]
        if not isinstance(options, Options):
            raise TypeError(f"skills.{name} was not validated")
        found.append(Wanted(name, skill, options, skill.wants(options, scene)))
    return tuple(found)


def scene_of(user: str, services: Iterable[Service]) -> Scene:
    """Return the keep as skills see it."""
    return Scene(user, {service.name: service for service in services})


def conflicts(
    skills: Mapping[str, Options], scene: Scene, egress: Egress
) -> Iterator[tuple[str, str]]:
    """Yield (skill, how it does not fit): closed doors, closed egress, files of two skills."""
    owners: dict[str, str] = {}
    for name, options in skills.items():
        try:
            wants = registry()[name].wants(options, scene)
        except MissingDoorError as error:
            yield name, str(error)
            continue
        closed = [one for one in wants.egress if not _reaches(egress, one)]
        if closed:
            yield name, _opened_by(egress, closed, wants.profile)
        for path in (*wants.programs, *wants.files, *(file.path for file in wants.secret_files)):
            if owners.setdefault(path, name) != name:
                yield name, f"writes {path}, and so does skill {owners[path]!r}; keep one of them"


def unattended(skills: Mapping[str, Options], services: Iterable[Service]) -> Iterator[str]:
    """Yield why a door to a service on the host must not be: no skill has that service running.

    Whatever else came to listen on that port would be the guest's.
    """
    attended = {
        getattr(options, "service", None) for name, options in skills.items() if name in ON_HOST
    }
    for service in services:
        if service.target.on_the_host and service.name not in attended:
            yield (
                f"the door {service.name!r} leads to {service.target} on the host itself, and no "
                f"skill has anything running there; declare {' or '.join(ON_HOST)}, with "
                f'"service": {json.dumps(service.name)}, or remove the door from allowlist.yml'
            )


def _reaches(egress: Egress, name: str) -> bool:
    """Tell whether the guest may reach a name; networks may lead there, so they count as yes."""
    named = (*egress.domains, *profiles.domains(egress.profiles))
    return egress.mode == "cidrs" or allows(named, name)


def _opened_by(egress: Egress, closed: list[str], profile: str) -> str:
    names = ", ".join(closed)
    if egress.mode == "none":
        opened = f'"profiles": ["{profile}"]' if profile else f'"domains": {json.dumps(closed)}'
        how = f'write egress = {{"mode": "domains", {opened}}}'
    elif profile:
        how = f'add "{profile}" to egress["profiles"]'
    else:
        how = f'add {json.dumps(closed)} to egress["domains"]'
    return f"must reach {names}, and egress does not let it; {how} in group_data/all.py"
