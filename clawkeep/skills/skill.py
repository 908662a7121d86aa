"""What a skill is: options that the operator writes, and what follows from them.

A skill decides nothing about a machine. From its options and the keep it derives `Wants`, plain
data; `roles/skills` installs, configures and probes any of them, and `clawkeep skills` shows all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from clawkeep.model.base import Declared, Many, printable
from clawkeep.model.service import Kind, Service
from clawkeep.secrets.reference import parse
from clawkeep.skills.agents import ForAgents
from clawkeep.skills.tools import Tools

PROGRAMS = "/usr/local/clawkeep/bin"
"""Where programs of skills are, root's own; agents have it on their PATH."""

MODELS = "/opt/homebrew/var/clawkeep/models"
"""Where models are in the guest, each called by its SHA-256."""

HOST_MODELS = "/opt/clawkeep/models"
"""Where root's own copies of models are on the host, for services there."""

VERSION = re.compile(r"[0-9]+(\.[0-9]+)*([.-]?[A-Za-z][0-9A-Za-z.]*)?")


def _reference(value: Any) -> str:
    # Whatever stands there may be the secret itself: no message shows it.
    return str(parse(value))


def _version(text: str) -> str:
    if not VERSION.fullmatch(text):
        raise ValueError(f"{text!r} pins nothing; write one version in full, such as 1.2.3")
    return text


def _word(text: str) -> str:
    if not text or re.search(r"[\s'\"\\$`;|&<>]", printable(text)):
        raise ValueError(f"{text!r} is no name; write one word without quotes")
    return text


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(f"{text!r} is no SHA-256; on the host: shasum -a 256 FILE")
    return text


Sha256 = Annotated[str, AfterValidator(_sha256)]
"""The hash of a file, in 64 lower-case digits."""

Ref = Annotated[str, BeforeValidator(_reference)]
"""Where a secret is kept, such as `sealed:github`; never the secret."""

Version = Annotated[str, AfterValidator(_version)]
Word = Annotated[str, AfterValidator(_word)]


class MissingDoorError(ValueError):
    """A skill needs a door that is not in the allowlist; the text says which line to add."""


@dataclass(frozen=True)
class Scene:
    """The keep as a skill sees it: its user in the guest, and the doors by name."""

    user: str
    doors: Mapping[str, Service] = field(default_factory=dict)

    @property
    def home(self) -> str:
        """The user's home in the guest."""
        return f"/Users/{self.user}"

    def door(self, name: str, kind: Kind, example: str) -> Service:
        """Return the service `name` of the allowlist.

        `example` is a port and a target to suggest, as `18123 homeassistant.lan:8123`.
        Raises MissingDoorError when there is none, or one of another kind.
        """
        port, target = example.split()
        line = f"- {{name: {name}, port: {port}, target: '{target}', kind: {kind}}}"
        found = self.doors.get(name)
        if found is None:
            raise MissingDoorError(
                f"needs the door {name!r}, which is not in the allowlist; add this line to "
                f"`services` in allowlist.yml, with your own target: {line}"
            )
        if found.kind != kind:
            raise MissingDoorError(
                f"needs {name!r} to be a door of kind {kind}, and it is {found.kind}; change its "
                f"line in allowlist.yml: {line}"
            )
        return found


@dataclass(frozen=True)
class SecretText:
    """A file of the user's that holds secrets: its text, from the values by their names."""

    path: str
    compose: Callable[[Mapping[str, str]], str]


@dataclass(frozen=True)
class Model:
    """A large file that is brought from the host: its path there, and its SHA-256."""

    source: str
    sha256: str

    @property
    def path(self) -> str:
        """Where it is in the guest."""
        return f"{MODELS}/{self.sha256}"

    @property
    def path_on_host(self) -> str:
        """Where root's copy of it is on the host, for a service there."""
        return f"{HOST_MODELS}/{self.sha256}"


class Options(Declared):
    """What the operator may say about one skill; each has a class of its own."""


@dataclass(frozen=True)
class Grant:
    """A row of TCC: a program, by its path, may use a service; `target` gets its events."""

    service: str
    client: str
    target: str = "UNUSED"


SSH_CLIENT = "/usr/libexec/sshd-keygen-wrapper"
"""Whom TCC holds responsible for a command that came over SSH. Source: reference/macos.md §6."""


def _client(text: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9@._+/-]+", text) or "/../" in text:
        raise ValueError(f"{text!r} is no program's path; TCC knows it by the real one, in full")
    return text


class Allowed(Options):
    """What Calendar and Reminders have in common: who lets the agent use them.

    `tcc` is "instructions", a person must press Allow, or "write": rows for the programs `clients`
    are written into the user's TCC.db, where System Integrity Protection is off and the database is
    of a known form.
    """

    tcc: Literal["instructions", "write"] = "instructions"
    clients: Annotated[Many[Annotated[str, AfterValidator(_client)]], Field(min_length=1)] = (
        SSH_CLIENT,
    )

    def grants(self, service: str, application: str) -> tuple[Grant, ...]:
        """Return the rows for one of TCC's services, and for events to one application."""
        if self.tcc != "write":
            return ()
        events = "kTCCServiceAppleEvents"
        return tuple(
            grant
            for client in self.clients
            for grant in (Grant(service, client), Grant(events, client, application))
        )


@dataclass(frozen=True)
class HostService:
    """A verb of Clawkeep's that launchd runs on the host for a skill, as a user of its own.

    It is `clawkeep VERB MODEL`, with the model's path on the host.
    """

    verb: str
    user: str
    model: Model
    formulas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wants:
    """All that one wanted skill comes to.

    Attributes:
        formulas: Homebrew's, in the guest; `user/tap/name` for one of another tap.
        npm: packages as `name@version`, each with the commands that it brings.
        pip: tools of the virtual environment, as `name==version`.
        models: large files that the host has.
        programs: texts by absolute path below `PROGRAMS`; root's own, 0755.
        files: texts by path below the user's home; the user's own, 0600, without secrets.
        secrets: references by the names that `secret_files` know them by.
        secret_files: what is written with them; they travel on stdin, and nothing shows them.
        marks: files below the user's home that its probe may write; they go with the skill.
        doors: names of the services that it speaks to.
        egress: names on the internet that it must reach.
        profile: the egress profile that opens these.
        host: what must run on the host for it.
        grants: rows of TCC that are written for it.
        rights: what a person must allow at the guest's screen (TCC).
        agents: what it gives to the agents of groups that may use it; None: nothing.
        question: what its probe is told; no secrets.
    """

    formulas: tuple[str, ...] = ()
    npm: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pip: tuple[str, ...] = ()
    models: tuple[Model, ...] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    secret_files: tuple[SecretText, ...] = ()
    marks: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()
    profile: str = ""
    host: HostService | None = None
    grants: tuple[Grant, ...] = ()
    rights: tuple[str, ...] = ()
    agents: ForAgents | None = None
    question: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> str:
        """What it needs of others, in words."""
        parts = [
            *(f"door {name}" for name in self.doors),
            *(f"egress {name}" for name in self.egress),
            *self.rights,
        ]
        return ", ".join(parts)


O_ = TypeVar("O_", bound=Options)


@dataclass(frozen=True)
class Skill(Generic[O_]):
    """A skill: what it is for, its options, what follows from them, and the proof that it works.

    `wants` is pure. `probe` is sent to the guest as source and runs there, on Python 3.9, with
    nothing but the names of `clawkeep.skills.tools`; it returns its evidence or raises.
    """

    summary: str
    options: type[O_]
    wants: Callable[[O_, Scene], Wants]
    probe: Callable[[Tools], str]
    timeout_s: int = 30
