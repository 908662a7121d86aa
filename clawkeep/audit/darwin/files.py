"""`host.files`: many files at once, by BSD's `stat` and Perl's `shasum`, one process each.

Upstream's `file` needs a command per property: a thousand for two hundred files, and its
`sha256sum` wants a program that macOS lacks (reference/pyinfra.md, testinfra on Darwin).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from testinfra.modules.base import InstanceModule

FORMAT = "%HT|%Mp%Lp|%Su|%Sg|%N"
REGULAR, FOLDER = "Regular File", "Directory"


@dataclass(frozen=True)
class Facts:
    """What there is at a path: `stat` does not follow a link, so a link is one."""

    kind: str
    mode: str
    user: str
    group: str


class Files(InstanceModule):
    """Many files.

    >>> host.files.look(["/etc/hosts"])["/etc/hosts"].mode
    '644'
    """

    def look(self, paths: Iterable[str]) -> dict[str, Facts]:
        """Return what there is, by path; what is not there is not in it."""
        asked = sorted(set(paths))
        text = self.run_expect([0, 1], f"stat -f '{FORMAT}' {shlex.join(asked)}").stdout
        found = {}
        for line in text.splitlines():
            kind, mode, user, group, path = line.split("|", 4)
            found[path] = Facts(kind, mode.lstrip("0") or "0", user, group)
        return found

    def sha256(self, paths: Iterable[str]) -> dict[str, str]:
        """Return the hashes of regular files by path; nothing else is opened."""
        asked = sorted(set(paths))
        regular = [p for p, one in self.look(asked).items() if one.kind == REGULAR]
        if not regular:
            return {}
        text = self.run_expect([0, 1], f"shasum -a 256 {shlex.join(regular)}").stdout
        rows = (line for line in text.splitlines() if line[64:66] in {"  ", " *"})
        return {line[66:]: line[:64] for line in rows}

    def below(self, *folders: str) -> list[str]:
        """Return everything below folders that is no folder, by its whole path.

        A folder that is not there holds nothing.
        """
        found = self.run_expect([0, 1], f"find {shlex.join(folders)} ! -type d")
        return sorted(found.stdout.splitlines())
