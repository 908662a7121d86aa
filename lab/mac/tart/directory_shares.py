"""`--dir "[name:]path[:options]"`. Source: reference/tart.md §1.5 (struct DirectoryShare)."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..virtualization.shares import AUTOMOUNT_TAG, Share
from .errors import OtherError, TartError, UsageError


@dataclass(frozen=True)
class Parsed:
    """One --dir, read; `name` is None for an unnamed one."""

    name: str | None
    path: str
    read_only: bool
    tag: str


def parse(text: str) -> Parsed:
    """Read one --dir. Options are the last `:`-segment if it has one that tart knows."""
    segments = [segment for segment in text.split(":") if segment]
    read_only, tag, found = False, AUTOMOUNT_TAG, False
    for option in segments[-1].split(",") if segments else []:
        if option == "ro":
            read_only, found = True, True
        elif option.startswith("tag="):
            tag, found = option.removeprefix("tag="), True
    if found:
        segments.pop()
    rest = ":".join(segments)
    if rest.startswith(("http:", "https:")):
        return Parsed(None, rest, read_only, tag)
    name, colon, path = rest.partition(":")
    if not colon:
        return Parsed(None, _local(name), read_only, tag)
    return Parsed(name, _local(path), read_only, tag)


def _local(path: str) -> str:
    if path.startswith("https://"):
        return path
    return os.path.abspath(os.path.expanduser(path))


def shares(texts: list[str]) -> list[Share]:
    """Read all --dir options. Raises UsageError, OtherError, TartError.

    Of two shares with one name the last silently wins.
    """
    by_tag: dict[str, list[Parsed]] = {}
    for text in texts:
        one = parse(text)
        by_tag.setdefault(one.tag, []).append(one)
    found: dict[tuple[str, str], Share] = {}
    for tag, group in by_tag.items():
        if len(group) > 1 and any(one.name is None for one in group):
            raise UsageError(
                "invalid --dir syntax: for multiple directory shares each one of them should "
                "be named"
            )
        for one in group:
            found[tag, one.name or ""] = _checked(one)
    return list(found.values())


def _checked(one: Parsed) -> Share:
    if one.path.startswith(("http:", "https:")):
        raise TartError("sharing a remote archive is not supported by the lab")
    if not os.path.isdir(one.path):
        raise OtherError(
            'Error Domain=VZErrorDomain Code=2 "A directory sharing device configuration is '
            f'invalid." UserInfo={{NSLocalizedFailureReason=The directory “{one.path}” does not '
            "exist.}"
        )
    return Share(one.name or "", one.path, one.read_only, one.tag)
