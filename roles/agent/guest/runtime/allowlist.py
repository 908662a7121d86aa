"""Which folders outside NanoClaw an agent may see: NanoClaw's rules, and more of the same kind.

The first half repeats NanoClaw's own check exactly (reference/nanoclaw.md §1.9), quirks
included: a pattern is looked for anywhere in a path, `..name` below a root counts as outside,
the first root that holds a path decides. The second half only ever takes away: names are
compared as APFS compares them, the path as it was written counts as much as where it leads, and
the keep's own folders can be no mount.

NanoClaw caches its list until it restarts; here the file is read for each run.
"""

from __future__ import annotations

import json
import os
import re
import stat
import unicodedata
from typing import Any, NamedTuple

BLOCKED = (
    *(".ssh", ".gnupg", ".gpg", ".aws", ".azure", ".gcloud", ".kube", ".docker", "credentials"),
    *(".env", ".netrc", ".npmrc", ".pypirc", "id_rsa", "id_ed25519", "private_key", ".secret"),
)
"""NanoClaw's own patterns, in every version of v1."""

#: Whole names of folders that hold credentials, or programs that somebody else runs.
PRIVATE = frozenset(
    ("keychains", ".claude", ".claude.json", ".tart", "launchagents", "launchdaemons")
)
#: Folders whose whole would be too much, and those whose every part is.
WHOLE = frozenset(("/", "/users", "/home", "/volumes", "/opt", "/tmp"))  # noqa: S108 - compared
SYSTEM = (
    *("/system", "/library", "/usr", "/bin", "/sbin", "/etc", "/var", "/dev", "/proc", "/root"),
    *("/opt/homebrew", "/opt/clawkeep"),
)
_HOMES = re.compile(r"/(users|home|volumes)/[^/]+(/(library|\.config)(/.*)?)?")


class Root(NamedTuple):
    """A folder below which mounts are allowed."""

    path: str
    writable: bool


class Allowlist(NamedTuple):
    """mount-allowlist.json, checked."""

    roots: tuple[Root, ...]
    patterns: tuple[str, ...]
    others_read_only: bool


class BlockedError(Exception):
    """A folder that may be no mount, and why."""


def read(path: str, owner: int) -> Allowlist:
    """Read the list, a file of `owner` or root that nobody else may write.

    Raises BlockedError when it is absent, not of that form, or not to be trusted: then every
    mount is blocked, as in NanoClaw.
    """
    try:
        with open(path, "rb") as file:
            info = os.fstat(file.fileno())
            value = json.loads(file.read().decode())
    except (OSError, ValueError, RecursionError) as error:
        raise BlockedError(f"no mount allowlist: {path}: {error}") from None
    if info.st_uid not in (0, owner) or info.st_mode & 0o022 or not stat.S_ISREG(info.st_mode):
        raise BlockedError(f"{path}: others may write it")
    try:
        return parse(value)
    except (KeyError, TypeError, ValueError) as error:
        raise BlockedError(f"{path}: {error}") from None


def parse(value: Any) -> Allowlist:
    """Check what the file says. Raises KeyError, TypeError or ValueError."""
    if not isinstance(value, dict):
        raise TypeError("must hold an object")
    roots = []
    for root in _list(value["allowedRoots"]):
        if not isinstance(root, dict):
            raise TypeError("allowedRoots must hold objects")
        writable = root.get("allowReadWrite", False)
        if not (isinstance(root["path"], str) and _is_flag(writable)):
            raise ValueError("allowedRoots: path must be a text, allowReadWrite true or false")
        roots.append(Root(root["path"], writable))
    patterns = _list(value["blockedPatterns"])
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise ValueError("blockedPatterns must be texts")
    if not _is_flag(value["nonMainReadOnly"]):
        raise ValueError("nonMainReadOnly must be true or false")
    return Allowlist(tuple(roots), (*BLOCKED, *patterns), value["nonMainReadOnly"])


def _is_flag(value: Any) -> bool:
    return value is True or value is False


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("allowedRoots and blockedPatterns must be lists")
    return value


class Whose(NamedTuple):
    """NanoClaw's user's home, the folder that is NanoClaw's, and whether its main group asks."""

    home: str
    root: str
    main: bool


def check(allowlist: Allowlist, source: str, wants_write: bool, whose: Whose) -> Root:
    """Return the folder that `source` leads to, and whether the agent may write there.

    Raises BlockedError.
    """
    if any(part == ".." for part in source.split("/")) or ":" in source:
        raise BlockedError(f"{source}: `..` and `:` are not allowed in a mount's path")
    try:
        os.stat(source)
    except OSError as error:
        raise BlockedError(f"{source}: {error.strerror}") from None
    real = os.path.realpath(source)
    for pattern in allowlist.patterns:
        # The exact rule looks at the path that the mount leads to, as it is spelled.
        if pattern in real or _folded(pattern) in _folded(real) + "\n" + _folded(source):
            raise BlockedError(f"{source}: blocked by the pattern {pattern!r}")
    _not_ours(source, real, whose)
    holders = [root for root in allowlist.roots if _holds(root.path, real, whose.home)]
    if not holders:
        raise BlockedError(f"{source}: below none of the allowed roots")
    writable = wants_write and all(root.writable for root in holders)
    return Root(real, writable and (whose.main or not allowlist.others_read_only))


def _holds(root: str, real: str, home: str) -> bool:
    if root == "~" or root.startswith("~/"):
        root = home + root[1:]
    # NanoClaw takes a relative root from its own folder, where nothing is ours to share.
    if not root.startswith("/") or not os.path.exists(root):
        return False
    below = os.path.relpath(real, os.path.realpath(root))
    return not below.startswith("..")


def _not_ours(source: str, real: str, whose: Whose) -> None:
    """Refuse what no list can open: homes as a whole, the system, NanoClaw and the keep."""
    never = (*SYSTEM, _plain(whose.root))
    for path in {_plain(source), _plain(real)}:
        within = any(path == top or path.startswith(top + "/") for top in never)
        around = any(top.startswith(path + "/") for top in (never[-1], _plain(whose.home)))
        if (
            path in WHOLE
            or within
            or around
            or _HOMES.fullmatch(path)
            or path == _plain(whose.home)
        ):
            raise BlockedError(f"{source}: a whole home, or a folder of the system or the keep")
        if private := PRIVATE.intersection(path.split("/")):
            raise BlockedError(f"{source}: leads into {min(private)!r}")


def _plain(path: str) -> str:
    """Spell a path in one way: /private/tmp is /tmp on a Mac."""
    folded = _folded(path).rstrip("/") or "/"
    return re.sub(r"^(/system/volumes/data)?(/private(?=/(etc|tmp|var)(/|$)))?(?=/)", "", folded)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
