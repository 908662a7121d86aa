"""What the operator decided for this guest, and where everything lies."""

from __future__ import annotations

import json
import os
import pwd
import re
from typing import Any, NamedTuple

PROGRAM = "/usr/local/clawkeep/bin/docker"
SETTINGS = "/etc/clawkeep/runtime.json"
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
"""Docker's own rule for a container's name, and an end to its length."""


class Refused(Exception):  # noqa: N818 - it is no defect
    """What was asked for is not done; the text is for NanoClaw's log.

    `status` is docker's: 125 the runtime refused or failed, 126 the program cannot be run, 127
    it is absent, 1 what was named does not exist.
    """

    def __init__(self, message: str, status: int = 125) -> None:
        super().__init__(message)
        self.status = status


class Limits(NamedTuple):
    """Of one run, but `processes`, which is of one agent user. None is no limit."""

    cpu_s: int | None
    files: int | None
    processes: int | None
    memory_mb: int | None


class Settings(NamedTuple):
    """runtime.json, checked."""

    root: str
    node: str
    user: str
    agents: tuple[str, ...]
    limits: Limits
    env: frozenset[str]
    inject: bool
    enabled: bool
    denied: frozenset[str]
    sandbox: bool

    @property
    def runs(self) -> str:
        """The folder of the runs, one folder each."""
        return self.root + "/runs"

    @property
    def state(self) -> str:
        """What outlives releases: conversations, sessions, messages between host and agent."""
        return self.root + "/state"

    @property
    def groups(self) -> str:
        """The groups' own folders."""
        return self.state + "/groups"

    @property
    def data(self) -> str:
        """NanoClaw's `data`: sessions and IPC."""
        return self.state + "/data"

    @property
    def releases(self) -> str:
        """The built trees."""
        return self.root + "/releases"


def load(path: str = SETTINGS) -> Settings:
    """Read the settings. Raises Refused when they are absent, not root's, or not understood."""
    try:
        with open(path, encoding="utf-8") as file:
            info = os.fstat(file.fileno())
            value = json.load(file)
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: {error}; apply the keep's `agent` phase") from None
    if info.st_uid != 0 or info.st_mode & 0o022:
        raise Refused(f"{path}: must be root's alone to write")
    try:
        return _settings(value)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"{path}: {type(error).__name__}: {error}") from None


def _settings(value: dict[str, Any]) -> Settings:
    limits = [value.get("limits", {}).get(name) for name in Limits._fields]
    if not all(limit is None or (isinstance(limit, int) and limit > 0) for limit in limits):
        raise ValueError(f"limits: {limits}")
    if value["credentials"] not in ("stdin", "inject"):
        raise ValueError(f"credentials: {value['credentials']!r}")
    for name in ("root", "node"):
        if not value[name].startswith("/") or os.path.realpath(value[name]) == "/":
            raise ValueError(f"{name}: {value[name]!r} is no absolute path")
    if not value["agents"] or len(set(value["agents"])) != len(value["agents"]):
        raise ValueError("agents: names of users, each once")
    return Settings(
        root=os.path.realpath(value["root"]),
        node=value["node"],
        user=value["user"],
        agents=tuple(value["agents"]),
        limits=Limits(*limits),
        env=frozenset(value.get("env", ())),
        inject=value["credentials"] == "inject",
        # Nothing but the very word opens: agents run only where the operator said so.
        enabled=value.get("enabled") is True,
        denied=frozenset(value.get("groups_denied", ())),
        sandbox=value.get("sandbox") is not False,
    )


def account(name: str) -> pwd.struct_passwd:
    """Return a user's entry. Raises Refused."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise Refused(f"there is no user {name!r}; apply the keep's `agent` phase") from None


def named(name: str) -> str:
    """Return a name that can be a container's, and a folder's. Raises Refused."""
    if not NAME.fullmatch(name):
        raise Refused(f"{name!r}: no container can be called so")
    return name
