"""allowlist.yml and group_data -> the declared keep, or all that is wrong with them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from clawkeep.config.message import message, unknown_key
from clawkeep.config.origin import Origins, read_origins
from clawkeep.config.problem import ConfigError, Mark, Problem
from clawkeep.config.services import GUEST_NETWORK, load_services
from clawkeep.model import (
    Agent,
    AlertHook,
    Backup,
    Decisions,
    Egress,
    Guest,
    Host,
    Keep,
    Mount,
    Service,
    Snapshots,
    agent_conflicts,
    alert_conflicts,
    backup_conflicts,
)
from clawkeep.model.agent import Limits, Skill
from clawkeep.model.backup import Keeping, Server
from clawkeep.model.offline import offline_conflicts
from clawkeep.skills import granted, own, registry, wanted
from clawkeep.skills.agents import folder_of
from clawkeep.skills.skill import MissingDoorError, Options, Scene

#: The models of mappings inside those of group_data, by their key.
NESTED: dict[int | str, type[BaseModel]] = {
    "mounts": Mount,
    "skills": Skill,
    "limits": Limits,
    "server": Server,
    "keep": Keeping,
}

OWN_SKILLS = "skills"
"""The folder of the operator's own guides, in the project."""

Part = TypeVar("Part", bound=BaseModel)


def load_keep(  # noqa: PLR0913 - the parts of the declaration
    allowlist: Path,
    host: Mapping[str, Any],
    guest: Mapping[str, Any],
    *,
    egress: Mapping[str, Any] | None = None,
    decisions: Mapping[str, Any] | None = None,
    agent: Mapping[str, Any] | None = None,
    skills: Mapping[str, Any] | None = None,
    alerts: Sequence[Mapping[str, Any]] = (),
    backup: Mapping[str, Any] | None = None,
    snapshots: Mapping[str, Any] | None = None,
    group_data: Path | None = None,
) -> Keep:
    """Build the keep from the allowlist file and the plain values of group_data.

    With `group_data`, the directory the values came from, problems with them name file and line.
    Raises ConfigError with every problem of all of them.
    """
    check = _Check(read_origins(group_data) if group_data else {})
    check.folder = group_data.parent / OWN_SKILLS if group_data else None
    the_host = check.part(Host, "host", host)
    the_guest = check.part(Guest, "guest", guest)
    the_egress = check.part(Egress, "egress", egress or {})
    the_decisions = check.part(Decisions, "decisions", decisions or {})
    # An agent is not there unless it is declared: None is no empty one.
    the_agent = None if agent is None else check.part(Agent, "agent", agent)
    if the_agent and the_guest:
        check.agent(the_agent, the_guest)
    the_alerts = check.alerts(alerts)
    if the_guest and the_decisions and the_decisions.install_from == "cache":
        check.offline(the_guest, the_agent)
    services = check.services(allowlist, the_host)
    the_backup = None if backup is None else check.part(Backup, "backup", backup)
    if the_backup and the_guest:
        check.backup(the_backup, services, the_guest)
    the_snapshots = None if snapshots is None else check.part(Snapshots, "snapshots", snapshots)
    the_skills = check.skills(skills or {})
    if the_guest and the_egress and not check.problems:
        scene = wanted.scene_of(the_guest.user, services)
        for name, text in wanted.conflicts(the_skills, scene, the_egress):
            check.report(("skills", name), text)
        if the_agent:
            check.grants(the_agent, the_skills, scene)
        for text in wanted.unattended(the_skills, services):
            check.report(("skills",), text)
    if check.problems or not (the_host and the_guest and the_egress and the_decisions):
        raise ConfigError(tuple(check.problems))
    return Keep(
        services=services,
        host=the_host,
        guest=the_guest,
        egress=the_egress,
        decisions=the_decisions,
        agent=the_agent,
        backup=the_backup,
        snapshots=the_snapshots,
        skills={**the_skills},
        alerts=the_alerts,
        own_skills=check.own_skills,
    )


class _Check:
    """The validation of one declaration, and what it found."""

    def __init__(self, origins: Origins) -> None:
        self.origins = origins
        self.problems: list[Problem] = []
        self.folder: Path | None = None
        self.own_skills: dict[str, own.Texts] = {}

    def services(self, allowlist: Path, host: Host | None) -> tuple[Service, ...]:
        try:
            return load_services(allowlist, host.guest_network if host else GUEST_NETWORK)
        except ConfigError as error:
            self.problems.extend(error.problems)
            return ()

    def part(self, model: type[Part], name: str, values: object) -> Part | None:
        """Validate one mapping of group_data."""
        if not isinstance(values, Mapping):
            self.report((name,), f"a mapping is expected here, not {type(values).__name__}")
            return None
        return self._validated(model, (name,), values)

    def _validated(
        self, model: type[Part], place: tuple[str | int, ...], values: Mapping[str, Any]
    ) -> Part | None:
        try:
            return model.model_validate(dict(values))
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._invalid(place, detail, model)
            return None

    def alerts(self, values: object) -> tuple[AlertHook, ...]:
        """Validate the hooks of alerts, and how they fit each other."""
        if not isinstance(values, (list, tuple)):
            self.report(("alerts",), f"a list is expected here, not {type(values).__name__}")
            return ()
        found = []
        for index, each in enumerate(values):
            if not isinstance(each, Mapping):
                text = 'a mapping such as {"hook": "discord", "url": "sealed:discord"} is expected'
                self.report(("alerts", index), text)
            elif hook := self._validated(AlertHook, ("alerts", index), each):
                found.append(hook)
        if len(found) == len(values):
            for location, text in alert_conflicts(found):
                self.report(location, text)
        return tuple(found)

    def skills(self, values: object) -> dict[str, Options]:
        """Validate the wanted skills, each by the options of its own module."""
        found: dict[str, Options] = {}
        if not isinstance(values, Mapping):
            self.report(("skills",), f"a mapping is expected here, not {type(values).__name__}")
            return found
        known = registry()
        for name, options in values.items():
            place = ("skills", str(name))
            if name not in known:
                self.report(("skills",), unknown_key(str(name), known), at=place)
            elif not isinstance(options, Mapping):
                text = f"a mapping is expected here, not {type(options).__name__}"
                self.report(place, f"{text}; {{}} takes what is usual")
            else:
                model = known[name].options
                if wanted_options := self._validated(model, place, options):
                    found[name] = wanted_options
        return found

    def agent(self, agent: Agent, guest: Guest) -> None:
        """Report where the agent does not fit itself or its guest."""
        for location, text in agent_conflicts(agent, guest):
            self.report(location, text)

    def backup(self, backup: Backup, services: Sequence[Service], guest: Guest) -> None:
        """Report where the backup does not fit itself, the allowlist or the guest."""
        for location, text in backup_conflicts(backup, services, guest):
            self.report(location, text)

    def grants(self, agent: Agent, skills: Mapping[str, Options], scene: Scene) -> None:
        """Read the operator's own guides, and report what no group's agent can be given."""
        known, usable = registry(), set()
        for name, options in skills.items():
            # A skill whose door is missing was reported, and says nothing of agents.
            with contextlib.suppress(MissingDoorError):
                if known[name].wants(options, scene).agents:
                    usable.add(name)
        if self.folder:
            taken = [folder_of(name) for name in usable]
            self.own_skills, problems = own.read(self.folder, taken)
            self.problems += problems
        for location, text in granted.conflicts(agent, skills, usable, self.own_skills):
            self.report(location, text)

    def offline(self, guest: Guest, agent: Agent | None) -> None:
        """Report what cannot be built from the host's cache alone."""
        for location, text in offline_conflicts(guest, agent):
            self.report(location, text)

    def _invalid(
        self, place: tuple[str | int, ...], detail: ErrorDetails, model: type[BaseModel]
    ) -> None:
        location = (*place, *detail["loc"])
        if detail["type"] == "extra_forbidden":
            nested = type(detail["loc"][0]) is str and len(detail["loc"]) > 1
            inner = NESTED.get(detail["loc"][0], model) if nested else model
            known = list(inner.model_fields)
            self.report(location[:-1], unknown_key(str(location[-1]), known), at=location)
        else:
            self.report(location, message(detail))

    def report(
        self, location: tuple[str | int, ...], text: str, at: tuple[str | int, ...] = ()
    ) -> None:
        """Note a problem with the value at `location`; it is shown where `at` is declared."""
        path, mark = _origin(self.origins, at or location)
        subject = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location)[1:]
        self.problems.append(Problem(path, f"{subject}: {text}", mark))


def _origin(origins: Origins, location: tuple[str | int, ...]) -> tuple[str, Mark | None]:
    """Return where a value, or the nearest thing around it, is declared."""
    for length in range(len(location), 0, -1):
        if found := origins.get(location[:length]):
            return found
    return "group_data", None
