"""Files, folders and jobs of the roles, as checks."""

from __future__ import annotations

import plistlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from clawkeep.audit.check import Check, Machine
from clawkeep.audit.darwin.files import FOLDER, REGULAR
from roles.bundle import Directory, File

PATHS = frozenset({"file", "folder", "secret"})


def of(
    machine: Machine, entries: Iterable[File | Directory], home: str = "", unknown: str = ""
) -> Iterator[Check]:
    """Yield the check of each entry; a path below `home` is called by `~`."""
    for entry in entries:
        where = called(entry.path, home)
        says = f"{entry.owner}:{entry.group} {entry.mode.lstrip('0')}"
        expected: dict[str, Any] = {
            "path": entry.path,
            "type": FOLDER,
            "mode": entry.mode.lstrip("0"),
            "user": entry.owner,
            "group": entry.group,
        }
        if isinstance(entry, Directory):
            yield Check(machine, "folder", where, f"a folder, {says}", expected, unknown)
            continue
        expected |= {"type": REGULAR, "sha256": entry.sha256}
        says = f"{says}, content {entry.sha256[:12]}"
        yield Check(machine, "file", where, says, expected, unknown)


def secret(machine: Machine, path: str, user: str, home: str = "") -> Check:
    """Return the check of a file that holds a secret: whose it is, and that nobody else reads it.

    Its content is not looked at: any hash of it that is shown would let it be guessed.
    """
    expected = {"path": path, "type": REGULAR, "mode": "600", "user": user}
    return Check(machine, "secret", called(path, home), f"a file of {user}'s, 600", expected)


def called(path: str, home: str) -> str:
    """Return a path as the audit calls it, the same on every Mac."""
    return f"~{path.removeprefix(home)}" if home and path.startswith(f"{home}/") else path


def job(
    machine: Machine, plist: bytes, session: str = "", arguments: Sequence[str] | None = None
) -> Check:
    """Return the check that a job is loaded as its plist says, in a user's session or as a daemon.

    `arguments` stand for the plist's where a part of them is only known there: a NUL.
    """
    data = plistlib.loads(plist)
    label = str(data["Label"])
    stays = data.get("KeepAlive") is True
    expected = {
        "label": label,
        "arguments": list(arguments or data["ProgramArguments"]),
        "stays": stays,
        **({"session": session} if session else {}),
    }
    where = f"in the session of {session}" if session else "a daemon"
    says = f"{where}, {'running' if stays else 'loaded'}, enabled, with the plist's arguments"
    return Check(machine, "job", label, says, expected)


def together(checks: Iterable[Check]) -> list[Check]:
    """Return the checks with what is to be looked at in one go: all paths of each machine."""
    every = list(checks)
    paths: dict[Machine, list[str]] = {}
    for check in every:
        if check.kind in PATHS and not check.unknown:
            paths.setdefault(check.machine, []).append(check.expected["path"])
    return [
        replace(check, expected={**check.expected, "all": paths[check.machine]})
        if check.kind in PATHS and not check.unknown
        else check
        for check in every
    ]
