"""What each mount that NanoClaw asks for becomes, in a run's own folder.

The mounts that every run has must lead exactly where they do in this guest; those of the
operator go through the allowlist; any other is refused (reference/nanoclaw.md §1.6, §1.9).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from roles.agent.guest.runtime.arguments import Mount
from roles.agent.guest.runtime.settings import Refused, Settings

FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
GROUP, IPC, CLAUDE = "/workspace/group", "/workspace/ipc", "/home/node/.claude"
PROJECT, GLOBAL, EXTRA = "/workspace/project", "/workspace/global", "/workspace/extra/"
CONFIG = "/workspace/config"
#: Not for agents: the runner's source, which is compiled here once; the credentials, which v1.2
#: covers with /dev/null; the messages of all groups, which v1.2 gives to its main group.
DROPPED = ("/app/src", PROJECT + "/.env", PROJECT + "/store", "/workspace/env-dir")


class Link(NamedTuple):
    """A link of the run's folder: its place there, and where it leads."""

    place: str
    source: str
    writable: bool


class Plan(NamedTuple):
    """All that a run sees. `config` is a folder whose list of trusted users the fork reads."""

    folder: str
    main: bool
    links: tuple[Link, ...]
    config: str | None
    dropped: tuple[str, ...]

    @property
    def writes_global(self) -> bool:
        """Whether the group may change the memory of all."""
        return any(link.place == "global" and link.writable for link in self.links)


def plan(mounts: Sequence[Mount], settings: Settings, release: str, home: str) -> Plan:
    """Sort the mounts of one run; `home` is NanoClaw's user's. Raises Refused."""
    asked = {mount.target: mount for mount in mounts}
    if len(asked) != len(mounts):
        raise Refused("mounts: a target stands there twice")
    folder = _folder(asked, settings)
    main = PROJECT in asked
    expected = {
        GROUP: settings.groups + "/" + folder,
        IPC: settings.data + "/ipc/" + folder,
        CLAUDE: settings.data + "/sessions/" + folder + "/.claude",
        GLOBAL: settings.groups + "/global",
        PROJECT: release,
        CONFIG: home + "/.config/nanoclaw",
    }
    links, config = [], None
    for target, mount in asked.items():
        if target in expected:
            _must_lead(mount, expected[target])
        if target in (GROUP, CLAUDE):
            place = "group" if target == GROUP else "home/.claude"
            links.append(Link(place, expected[target], writable=True))
        elif target == PROJECT:
            # The fork mounts its own code writable for its main group; nobody writes code here.
            links.append(Link("project", release, writable=False))
        elif target == GLOBAL:
            links.append(Link("global", expected[GLOBAL], main and not mount.read_only))
        elif target == CONFIG:
            config = expected[CONFIG]
        elif target.startswith(EXTRA):
            links.append(_extra(mount, home, settings.root, main))
        elif target not in DROPPED and target != IPC:
            raise Refused(f"mounts: {target}: the direct runtime does not know it")
    _apart([link.place for link in links])
    dropped = tuple(target for target in asked if target in DROPPED)
    return Plan(folder, main, tuple(links), config, dropped)


def _folder(asked: dict[str, Mount], settings: Settings) -> str:
    """Return the group's folder: what is mounted as its own, below the groups."""
    for target in (GROUP, IPC, CLAUDE):
        if target not in asked:
            raise Refused(f"mounts: {target} is missing; is this NanoClaw v1?")
        if asked[target].read_only:
            raise Refused(f"mounts: {target} must be writable")
    above, folder = os.path.split(os.path.realpath(asked[GROUP].source))
    if above != settings.groups or not FOLDER.fullmatch(folder) or folder.lower() == "global":
        raise Refused(f"mounts: {asked[GROUP].source} is no group's folder in {settings.groups}")
    if folder in settings.denied:
        raise Refused(f"group {folder!r} may not run directly (agent.groups_denied)")
    return folder


def _must_lead(mount: Mount, expected: str) -> None:
    if os.path.realpath(mount.source) != os.path.realpath(expected):
        raise Refused(f"mounts: {mount.target} must be {expected}, not {mount.source}")


def _extra(mount: Mount, home: str, root: str, main: bool) -> Link:
    # Few groups have such a mount, and an agent waits while modules load.
    from roles.agent.guest.runtime import allowlist  # noqa: PLC0415

    whose = allowlist.Whose(home, root, main)
    path = home + "/.config/nanoclaw/mount-allowlist.json"
    try:
        known = allowlist.read(path, os.getuid())
        found = allowlist.check(known, mount.source, not mount.read_only, whose)
    except allowlist.BlockedError as error:
        raise Refused(f"mounts: {error}") from None
    return Link(mount.target[len("/workspace/") :], found.path, found.writable)


def _apart(places: list[str]) -> None:
    for place in places:
        if any(other.startswith(place + "/") for other in places):
            raise Refused(f"mounts: {place} is a mount, and another lies in it")
