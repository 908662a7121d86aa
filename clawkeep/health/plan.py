"""What the watcher on the host needs to know of the declaration: etc/health.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from clawkeep.agent.judge import Declared
from clawkeep.nanoclaw.channel import Channel

FORMAT: Final = 1
EVERY_S: Final = 30.0


class PlanError(ValueError):
    """health.json is none of this version."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The declared agent: its job, the channels that must be connected, and what it keeps quiet.

    `users` are those of its agents, whose processes are no NanoClaw; `quiet` is as in `Declared`.
    """

    label: str
    local: bool
    channels: tuple[Channel, ...] = ()
    quiet: str = ""
    users: tuple[str, ...] = ()
    root: str = "/opt/nanoclaw"

    @property
    def declared(self) -> Declared:
        """It as the judge of `clawkeep agent status` takes it; releases are that verb's affair."""
        return Declared(self.label, self.channels, self.local, {}, quiet=self.quiet)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is watched; `agent` is None where none is declared."""

    agent: Watched | None = None

    def text(self) -> str:
        """Return health.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"


def parse(text: str) -> Plan:
    """Read health.json. Raises PlanError."""
    try:
        data = json.loads(text)
        known = data["format"] == FORMAT
        agent = _watched(data["agent"]) if data["agent"] is not None else None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PlanError(
            f"health.json is none of this version ({error}); clawkeep apply operations"
        ) from error
    if not known:
        raise PlanError("health.json has another format; clawkeep apply operations")
    return Plan(agent)


def _watched(data: Mapping[str, Any]) -> Watched:
    channels = (Channel(**{**each, "keys": ()}) for each in data["channels"])
    users = tuple(str(user) for user in data["users"])
    return Watched(**{**data, "channels": tuple(channels), "users": users})
