"""The agent that lives in the guest: which NanoClaw, with what settings, for how many users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from clawkeep.domains import domain
from clawkeep.model.base import Declared, Many, as_tuple, printable
from clawkeep.model.guest import Guest
from clawkeep.model.mount import agent_mount_conflicts
from clawkeep.nanoclaw import profile as profiles
from clawkeep.nanoclaw.env import Key, validate
from clawkeep.secrets.reference import Reference, parse

Location = tuple[str | int, ...]

GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""A group's folder. Source: reference/nanoclaw.md §1.9."""

BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
KEY = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
AGENT_USER = "claw-agent"
MAIN_GROUP, EVERY_GROUP = "main", "*"
"""In `group_skills`: the main group, whatever its folder, and every group, the main one too."""


def full_commit(text: str) -> str:
    """Return a full commit hash; a ValueError says why a shorter one or a name will not do."""
    if profiles.COMMIT.fullmatch(text):
        return text
    if re.fullmatch(r"[0-9a-f]{4,39}", text):
        raise ValueError(
            f"{text!r} is only the beginning of a commit's hash; write all 40 digits "
            f"(git rev-parse {text})"
        )
    raise ValueError(
        f"{text!r} is no commit: write its 40 hex digits in lower case; a branch or a tag moves"
    )


def repository(text: str) -> str:
    """Return an https:// address, or the path of a mirror in the guest; ValueError otherwise."""
    printable(text)
    if text.startswith("/"):
        if "//" in text or ".." in text.split("/") or text.endswith("/"):
            raise ValueError(f"{text!r} must be written plainly: no `..`, `//` or final `/`")
        return text
    url = urlsplit(text)
    if url.scheme != "https" or not url.hostname or not url.path.strip("/"):
        raise ValueError(
            f"{text!r} is neither an https:// address nor an absolute path in the guest; the "
            "window for building lets nothing else through"
        )
    if "@" in url.netloc or url.query or url.fragment:
        raise ValueError("an address with credentials, ? or # would end up in git's configuration "
                         "and in logs; use a mirror that needs none")  # fmt: skip
    if url.port not in {None, 443}:
        raise ValueError(f"{text!r} names port {url.port}; the window for building knows 443 alone")
    domain(url.hostname)
    return text


def _profile(name: str) -> str:
    return profiles.named(name).name


def _branch(name: str) -> str:
    if not BRANCH.fullmatch(name) or ".." in name or name.endswith(("/", ".lock")):
        raise ValueError(f"{name!r} is no name of a branch")
    return name


def _path(path: str) -> str:
    if path.startswith(("/", "~")) or any(part in {"", ".", ".."} for part in path.split("/")):
        raise ValueError(f"{path!r} is no path inside the repository, such as "
                         ".claude/skills/add-discord")  # fmt: skip
    return printable(path)


def _group(folder: str) -> str:
    if not GROUP.fullmatch(folder):
        raise ValueError(f"{folder!r} is no folder of a group")
    return folder


def _grant(names: Any) -> Any:
    if isinstance(names, (list, tuple)) and len(set(map(str, names))) < len(names):
        raise ValueError("names a skill twice")
    return as_tuple(names)


def _reference(value: Any) -> str:
    # Whatever stands there may be the secret itself: no message shows it.
    return str(parse(value))


def _setting(value: Any) -> Any:
    if isinstance(value, (str, int, bool)):
        return value
    raise ValueError("text, a whole number, True or False is expected here")


Commit = Annotated[str, AfterValidator(full_commit)]
Repository = Annotated[str, AfterValidator(repository)]
Setting = Annotated[str | int | bool, BeforeValidator(_setting)]


class Skill(Declared):
    """A change to NanoClaw: a branch that is merged, or a package that its skills engine applies.

    A branch is fetched by its commit, never by its tip: `branch` is what people call it. The same
    `path` of another commit replaces the package of the checkout.
    """

    branch: Annotated[str, AfterValidator(_branch)] | None = None
    path: Annotated[str, AfterValidator(_path)] | None = None
    commit: Commit | None = None
    repository: Repository | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Skill:
        if (self.branch is None) == (self.path is None):
            raise ValueError("a skill is either a `branch` or a `path`; write one of the two")
        if self.branch and not self.commit:
            raise ValueError(f"branch {self.branch!r} moves; add `commit`, its 40 hex digits")
        if self.repository and not self.branch:
            raise ValueError("`repository` belongs to a branch; a path lies in the checkout")
        return self

    @property
    def name(self) -> str:
        """What the skill is called: its branch with its repository, or its path."""
        return f"{self.repository or ''} {self.branch or self.path}".strip()


class Limits(Declared):
    """What one run of an agent may use. `processes` counts all of its user's."""

    cpu_s: int = Field(default=14_400, ge=60, le=604_800)
    files: int = Field(default=4096, ge=256, le=1_048_576)
    processes: int = Field(default=512, ge=32, le=8192)
    memory_mb: int = Field(default=4096, ge=512, le=524_288)


class Agent(Declared):
    """NanoClaw in the guest. What is not said is the profile's."""

    profile: Annotated[str, AfterValidator(_profile)] = "v1.2"
    repository: Repository | None = None
    commit: Commit | None = None
    skills: Many[Skill] = ()
    users: int = Field(default=4, ge=1, le=32)
    env: dict[str, Setting] = Field(default_factory=dict)
    secrets: dict[str, Annotated[str, BeforeValidator(_reference)]] = Field(default_factory=dict)
    own_keys: dict[str, Literal[".env", "process", "secret"]] = Field(default_factory=dict)
    groups_denied: Many[Annotated[str, AfterValidator(_group)]] = ()
    group_skills: dict[str, Annotated[tuple[str, ...], BeforeValidator(_grant)]] | None = None
    release_skills: Annotated[tuple[str, ...], BeforeValidator(_grant)] | None = None
    limits: Limits = Field(default_factory=Limits)

    @field_validator("own_keys")
    @classmethod
    def _key_names(cls, keys: dict[str, str]) -> dict[str, str]:
        for name in keys:
            if not KEY.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a setting, such as MY_CHANNEL_PORT")
        return keys

    @field_validator("group_skills")
    @classmethod
    def _group_names(cls, groups: dict[str, Any] | None) -> dict[str, Any] | None:
        for name in groups or {}:
            if name != EVERY_GROUP and not GROUP.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no folder of a group; write one, {MAIN_GROUP!r} for the main "
                    f"group, or {EVERY_GROUP!r} for every group"
                )
        return groups

    @property
    def release_profile(self) -> profiles.Profile:
        """All that is known about the declared version."""
        return profiles.named(self.profile)

    @property
    def source(self) -> str:
        """The repository that is built from."""
        return self.repository or self.release_profile.repository

    @property
    def pin(self) -> str:
        """The full commit that is built."""
        return self.commit or self.release_profile.commit

    @property
    def agent_users(self) -> tuple[str, ...]:
        """The users that agents run as; the first is the main group's."""
        return (AGENT_USER, *(f"{AGENT_USER}-{number}" for number in range(1, self.users)))

    @property
    def references(self) -> dict[str, Reference]:
        """Where each secret is kept."""
        return {name: parse(text) for name, text in self.secrets.items()}

    @property
    def keys(self) -> tuple[Key, ...]:
        """The settings that this NanoClaw reads, with those that the operator knows of."""
        own = self.repository not in {None, self.release_profile.repository}
        known = self.release_profile.known_keys((s.name for s in self.skills), own_source=own)
        names = {key.name for key in known}
        added = (
            Key(name, ".env" if where == "secret" else where, secret=where == "secret")
            for name, where in self.own_keys.items()
            if name not in names
        )
        return (*known, *added)


def agent_conflicts(agent: Agent, guest: Guest) -> Iterator[tuple[Location, str]]:
    """Yield where (below the declaration's top) and how `agent` does not fit itself or `guest`."""
    yield from _source_conflicts(agent)
    yield from _setting_conflicts(agent)
    known = agent.release_profile
    if known.formula not in guest.packages:
        text = f"agent.profile {known.name!r} needs {known.formula!r}; add it here"
        yield ("guest", "packages"), text
    for place, text in agent_mount_conflicts(guest.mounts):
        yield ("guest", "mounts", place), text


def _source_conflicts(agent: Agent) -> Iterator[tuple[Location, str]]:
    known = agent.release_profile
    if reason := known.broken.get(agent.pin):
        yield ("agent", "commit"), f"{agent.pin} is known not to work: {reason}"
    for index, skill in enumerate(agent.skills):
        if skill.path and known.skills != "engine":
            text = (
                f"NanoClaw {known.version} has no skills engine, its skills are branches; write "
                "`branch` and `commit`"
            )
            yield ("agent", "skills", index, "path"), text


def _setting_conflicts(agent: Agent) -> Iterator[tuple[Location, str]]:
    for name in sorted(agent.secrets.keys() & agent.env.keys()):
        yield ("agent", "env", name), "stands under `secrets`, too; keep one of the two"
    only_secret = agent.secrets.keys() - agent.env.keys()
    for problem in validate(agent.env, agent.keys, secrets=only_secret):
        part = "env" if problem.name in agent.env else "secrets"
        where: Location = ("agent", part, problem.name) if problem.name else ("agent", part)
        yield where, problem.message
    plain = {key.name for key in agent.keys if not key.secret}
    for name in sorted(only_secret & plain):
        yield ("agent", "secrets", name), "is no secret; write its value under `env`"
