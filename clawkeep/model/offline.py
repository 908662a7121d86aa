"""A guest that is built from the host's cache alone: where the cache is, and what it must know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from clawkeep.model.mount import Mount, mount_conflicts

if TYPE_CHECKING:
    from clawkeep.model.agent import Agent, Location
    from clawkeep.model.guest import Guest

CACHE = "/opt/clawkeep/cache"
"""The cache on the host: root's own, what lies in it is called by its SHA-256."""

MOUNT = Mount(name="clawkeep-cache", path=CACHE, read_only=True)
"""How the guest sees it."""

MACOS = ("sonoma", "sequoia", "tahoe")
"""Homebrew's names of the machines, after `arm64_`. Source: reference/macos.md §7."""


def bottle_tag(image: str) -> str:
    """Return Homebrew's name for the machines of an image. Raises ValueError when it says none."""
    words = re.split(r"[^a-z]+", image.partition("@")[0].rpartition("/")[2].lower())
    for name in MACOS:
        if name in words:
            return f"arm64_{name}"
    raise ValueError(
        f"{image!r} does not say which macOS it holds, so nobody knows which bottles pour in it; "
        f"with install_from 'cache' its name must hold one of {', '.join(MACOS)}"
    )


def offline_conflicts(guest: Guest, agent: Agent | None) -> Iterator[tuple[Location, str]]:
    """Yield where and how a declaration does not go with `install_from` "cache"."""
    try:
        bottle_tag(guest.image)
    except ValueError as error:
        yield ("guest", "image"), str(error)
    for text in mount_conflicts((*guest.mounts, MOUNT)):
        yield ("guest", "mounts"), f"{text}; {MOUNT.name!r} at {CACHE} is the cache"
    if agent is None:
        return
    if agent.source.startswith("/"):
        text = (
            f"{agent.source} is a path in the guest, which the host's cache cannot be filled "
            "from; name an https:// address, or write decisions.install_from 'internet'"
        )
        yield ("agent", "repository"), text
    if any(skill.path for skill in agent.skills):
        text = (
            "packages of the skills engine install beside the lock, so a cache cannot know what; "
            "pin a branch that has them, or write decisions.install_from 'internet'"
        )
        yield ("agent", "skills"), text
