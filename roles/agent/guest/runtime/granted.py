"""Which skills a run may use, and what each gives: the operator's list, which is root's.

A group has what stands under its folder's name, under `*`, and, when it is the main one, under
`main`: that word is a role here, never the name of a folder.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, NamedTuple

from roles.agent.guest.runtime.settings import Refused

PATH = "/etc/clawkeep/skills.json"
MAIN, EVERY = "main", "*"
#: Names in the list become names of files: no dots before, no slashes.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


class Given(NamedTuple):
    """What one skill gives to a run: a guide's folder, files of the service user's, verbs."""

    folder: str
    texts: dict[str, str]
    files: tuple[dict[str, Any], ...]
    verbs: dict[str, dict[str, Any]]


class Grants(NamedTuple):
    """skills.json, checked. `release` names the skills of NanoClaw's own, None: all of them."""

    groups: dict[str, tuple[str, ...]]
    release: tuple[str, ...] | None
    skills: dict[str, Given]

    def of(self, folder: str, main: bool) -> tuple[str, ...]:
        """Return the names of the skills that a group may use."""
        keys = {EVERY, MAIN} if main else {EVERY}
        if folder != MAIN:
            keys.add(folder)
        found = {name for key in keys for name in self.groups.get(key, ())}
        return tuple(sorted(found & self.skills.keys()))


def load(path: str = PATH, owner: int = 0) -> Grants:
    """Read the list; none there grants nothing. Raises Refused when it is not to be trusted."""
    try:
        with open(path, encoding="utf-8") as file:
            info = os.fstat(file.fileno())
            value = json.load(file)
    except FileNotFoundError:
        return Grants({}, None, {})
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: {error}; apply the keep's `skills` phase") from None
    if info.st_uid != owner or info.st_mode & 0o022:
        raise Refused(f"{path}: must be root's alone to write")
    try:
        return _grants(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"{path}: {type(error).__name__}: {error}") from None


def _grants(value: dict[str, Any]) -> Grants:
    skills = {}
    for name, skill in value["skills"].items():
        for path in (skill["folder"], *skill["texts"]):
            if not all(NAME.fullmatch(part) for part in path.split("/")):
                raise ValueError(f"{path!r} is no plain path")
        texts = {str(path): str(text) for path, text in skill["texts"].items()}
        skills[name] = Given(skill["folder"], texts, tuple(skill["files"]), dict(skill["verbs"]))
    release = value["release"]
    return Grants(
        {group: tuple(names) for group, names in value["groups"].items()},
        None if release is None else tuple(release),
        skills,
    )
