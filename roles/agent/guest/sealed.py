"""Seals the folder of a rewritten agent-runner, and tells whether it was changed since.

Runs in the guest: standard library, Python 3.9. The direct runtime carries it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator

MANIFEST = "SHA256"


class PathsError(Exception):
    """A file that cannot be rewritten, or is not what was sealed: where and why."""


def listing(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield each file and link below `folder`, but the manifest, by its path: in no order."""
    rest = [""]
    while rest:
        below = rest.pop()
        with os.scandir(os.path.join(folder, below)) as entries:
            for entry in entries:
                path = below + entry.name
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    rest.append(path + "/")
                elif not stat.S_ISREG(info.st_mode) and not stat.S_ISLNK(info.st_mode):
                    raise PathsError(f"{path}: is neither file nor link")
                elif "\n" in path:
                    raise PathsError(f"{path!r}: a newline in a name")
                elif path != MANIFEST:
                    yield path, info


def hashes(folder: str) -> dict[str, str]:
    """Return the SHA-256 of each file; of a link, that of an arrow and where it leads."""
    found = {}
    for path, info in listing(folder):
        full = os.path.join(folder, path)
        if stat.S_ISLNK(info.st_mode):
            found[path] = hashlib.sha256(b"-> " + os.fsencode(os.readlink(full))).hexdigest()
            continue
        digest = hashlib.sha256()
        with open(full, "rb") as file:
            for piece in iter(lambda: file.read(1 << 20), b""):
                digest.update(piece)
        found[path] = digest.hexdigest()
    return found


def seal(folder: str) -> dict[str, str]:
    """Write the manifest of what is in `folder`, one `hash  path` a line, and return it."""
    found = hashes(folder)
    lines = "".join(f"{found[path]}  {path}\n" for path in sorted(found))
    path = os.path.join(folder, MANIFEST)
    with open(path + ".new", "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(lines)
    os.chmod(path + ".new", 0o644)
    os.replace(path + ".new", path)
    return found


def verify(folder: str) -> None:
    """Compare `folder` with its manifest. Raises PathsError when anything was changed."""
    path = os.path.join(folder, MANIFEST)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise PathsError(f"{path}: {error.strerror}; build the release again") from None
    sealed = {line[66:]: line[:64] for line in lines}
    found = hashes(folder)
    wrong = sorted(p for p in sealed.keys() | found.keys() if sealed.get(p) != found.get(p))
    if wrong or not sealed:
        shown = ", ".join(wrong[:5]) + (" …" if len(wrong) > 5 else "")
        raise PathsError(f"{folder}: changed since it was built: {shown}; build the release again")
