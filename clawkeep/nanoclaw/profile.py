"""Version profiles: what differs between the NanoClaws that Clawkeep can run.

The data stands in `profiles/*.toml`, one file per version, each read in the sources of the commit
that it names (reference/nanoclaw.md §1, §2, §4.1).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, Literal

from clawkeep.nanoclaw.channel import Channel
from clawkeep.nanoclaw.env import Key
from clawkeep.nanoclaw.recognise import V2, UnsupportedError, profile_of

NAMES: Final = ("v1.2", "v1.1", "v1.0")
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
HOMEBREW: Final = "/opt/homebrew"


@dataclass(frozen=True, slots=True)
class Profile:
    """One NanoClaw: where its source is, how it is built and started, what it reads and writes.

    `binary` is the container program that it calls; `banner` a regular expression for the line
    with which it says that it is up; `contract` the name of the agent's input and output;
    `credentials` whether the host hands them to the agent on stdin or our runtime must inject
    them; `state` what has to survive a release, relative to the project or to the user's home
    (`~/`); `git_rewrites` addresses that git must take for others; `broken` commits that are known
    not to work, and why.
    """

    name: str
    version: str
    commit: str
    repository: str
    kind: Literal["upstream", "fork"]
    package_manager: Literal["npm"]
    node_major: int
    binary: Literal["docker", "container"]
    label: str
    banner: str
    contract: Literal["v1.0", "v1.1", "v1.2"]
    credentials: Literal["stdin", "inject"]
    skills: Literal["branches", "engine"]
    local_channel: Literal["socket", "none"]
    state: tuple[str, ...]
    keys: tuple[Key, ...]
    channels: tuple[Channel, ...]
    git_rewrites: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)

    @property
    def formula(self) -> str:
        """The Homebrew formula of its Node."""
        return f"node@{self.node_major}"

    @property
    def node(self) -> str:
        """Its Node, by a path that a `brew upgrade` leaves valid; one in the Cellar goes away."""
        return f"{HOMEBREW}/opt/{self.formula}/bin/node"

    def known_keys(
        self, skills: Iterable[str] = (), *, own_source: bool = False
    ) -> tuple[Key, ...]:
        """Return the settings that can mean something with these skills.

        A channel's keys count when a skill is named after it, and those that it cannot do without
        are required then. With `own_source`, a repository of the operator's own, any channel may
        be part of it.
        """
        named = " ".join(skills)
        found = list(self.keys)
        for channel in self.channels:
            if channel.built_in or channel.name in named:
                found.extend(channel.keys)
            elif own_source:
                found.extend(replace(key, required=False) for key in channel.keys)
        return tuple(found)


def recognise(package: Mapping[str, Any], files: Collection[str]) -> Profile:
    """Return the profile of a source tree: its package.json and the paths of its tracked files.

    Raises UnsupportedError, which says why, for NanoClaw 2 and all else that no profile knows.
    """
    return PROFILES[profile_of(package, files)]


def named(name: str) -> Profile:
    """Return the profile of that name. Raises UnsupportedError, with the reason for those of v2."""
    if found := PROFILES.get(name):
        return found
    if re.match(r"v?2(\.|$)", name):
        raise UnsupportedError(f"{name!r} is not supported: {V2}")
    raise UnsupportedError(f"there is no profile {name!r}; known are {', '.join(PROFILES)}")


def read(text: str) -> Profile:
    """Return the profile that a TOML text describes. Raises TypeError or ValueError otherwise."""
    data = tomllib.loads(text)
    channels = tuple(
        Channel(name, **{**values, "keys": _keys(values.get("keys", {}))})
        for name, values in data.pop("channels").items()
    )
    keys, state = _keys(data.pop("keys")), tuple(data.pop("state"))
    return Profile(**data, keys=keys, state=state, channels=channels)


def _keys(table: Mapping[str, Mapping[str, Any]]) -> tuple[Key, ...]:
    return tuple(
        Key(name, **{**values, "choices": tuple(values.get("choices", ()))})
        for name, values in table.items()
    )


def _all() -> Mapping[str, Profile]:
    folder = resources.files("clawkeep.nanoclaw") / "profiles"
    found = [read((folder / f"{name}.toml").read_text(encoding="utf-8")) for name in NAMES]
    return MappingProxyType({profile.name: profile for profile in found})


PROFILES: Final = _all()
"""All profiles by name, the recommended one first."""

__all__ = [
    "COMMIT",
    "NAMES",
    "PROFILES",
    "Channel",
    "Profile",
    "UnsupportedError",
    "named",
    "read",
    "recognise",
]
