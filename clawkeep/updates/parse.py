"""Reads what the tools say of updates. All of it comes from machines that may say anything."""

from __future__ import annotations

import json
import re
from typing import Any

from clawkeep.onhost.plain import plain
from clawkeep.updates.update import Update, update
from clawkeep.updates.version import newest, step

MOST = 500
#: What may stand where a formula's name or a version is expected; both end up on command lines.
NAME = re.compile(r"[a-z0-9][a-z0-9@._+/-]{0,99}")
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+,-]{0,79}")


class UnreadableError(ValueError):
    """That is no answer of the tool; the text says what came instead."""


def brew_outdated(text: str) -> tuple[Update, ...]:
    """Read `brew outdated --json=v2`. One that brew has pinned is left to whoever pinned it.

    Raises UnreadableError.
    """
    try:
        rows = json.loads(text)["formulae"]
        found = [_formula(row) for row in rows[:MOST]]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UnreadableError(f"brew outdated: {plain(text[-200:], 200) or error!r}") from error
    return tuple(one for one in found if one is not None)


def _formula(row: dict[str, Any]) -> Update | None:
    name, current = row["name"], row["current_version"]
    installed = newest(list(map(str, row["installed_versions"]))) or row["installed_versions"][-1]
    if not (NAME.fullmatch(name) and VERSION.fullmatch(current) and VERSION.fullmatch(installed)):
        raise ValueError(name)
    pin = "brew pin, in the guest" if row.get("pinned") else ""
    how = f"brew in the guest has it pinned; brew unpin {name}" if pin else ""
    return update("brew", name, installed, current, pin=pin, how=how)


def full_installers(text: str) -> list[str]:
    """Read the versions in `softwareupdate --list-full-installers`. Raises UnreadableError."""
    found = re.findall(r"^\* Title: [^,\n]*, Version: ([0-9.]{2,20}),", text, re.MULTILINE)
    if not found and "full installers" not in text:
        raise UnreadableError(f"softwareupdate: {plain(text[-200:].strip(), 200) or 'nothing'}")
    return found


def macos(installed: str, offered: list[str], how: str) -> tuple[Update, ...]:
    """Return the newest macOS of the installed one's own major, and the newest of all."""
    own = newest([v for v in offered if v.partition(".")[0] == installed.partition(".")[0]])
    found = [
        one
        for version in dict.fromkeys((own, newest(offered)))
        if (one := update("macos", "macOS", installed, version, how=how)) is not None
    ]
    # A step back is none here: what runs may be newer than what Apple still offers in full.
    return tuple(one for one in found if one.step != "unknown")


def npm_view(text: str) -> str:
    """Read the version that `npm view NAME version` prints. Raises UnreadableError."""
    words = text.split()
    if len(words) != 1 or not VERSION.fullmatch(words[0]):
        raise UnreadableError(f"npm: {plain(text[-200:].strip(), 200) or 'nothing'}")
    return words[0]


def pip_index(text: str) -> str:
    """Read the newest version in `pip index versions NAME`. Raises UnreadableError.

    pip warns first that this command is experimental.
    """
    found = re.search(r"^[\w.-]+ \(([0-9A-Za-z.+!-]{1,80})\)$", text, re.MULTILINE)
    if found is None:
        raise UnreadableError(f"pip: {plain(text[-200:].strip(), 200) or 'nothing'}")
    return found[1]


def tags(text: str) -> dict[str, str]:
    """Read `git ls-remote --tags`: commit by version tag, such as v1.2.0. Raises UnreadableError.

    The line with ^{} names the commit of an annotated tag, and comes after the tag's own.
    """
    found = {}
    for line in text.splitlines()[:10_000]:
        match = re.fullmatch(r"([0-9a-f]{40})\trefs/tags/(v[0-9][0-9.]{0,30})(?:\^\{\})?", line)
        if match:
            found[match[2]] = match[1]
    if not found and "\trefs/" not in text and text.strip():
        raise UnreadableError(f"git: {plain(text[-200:].strip(), 200)}")
    return found


def newer_tags(version: str, found: dict[str, str]) -> list[str]:
    """Return the newest tag of the version's own major and the newest of all, where newer."""
    own = [tag for tag in found if step(version, tag) in {"patch", "minor"}]
    later = [tag for tag in found if step(version, tag) == "major"]
    return [tag for tag in (newest(own), newest(later)) if tag]


def digest(text: str) -> str:
    """Return the one `sha256:…` in a text, or of what shasum printed. Raises UnreadableError."""
    found = re.search(r"\b([0-9a-f]{64})\b", text)
    if found is None:
        raise UnreadableError(f"no digest: {plain(text[-200:].strip(), 200) or 'nothing'}")
    return found[1]
