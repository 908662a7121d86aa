"""What the fetchers share: a scratch folder, a program with a bare environment, downloads by curl.

They run as the operator's own user, never as root.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clawkeep.cache.index import Item, Want
from clawkeep.onhost.cache_store import sha256_of

HOMEBREW = "/opt/homebrew"
SYSTEM_PATH = f"{HOMEBREW}/bin:/usr/bin:/bin:/usr/sbin:/sbin"
LONGEST_S = 3600
LAST_LINES = 6


class FillError(Exception):
    """Something could not be had; the text says what, and why in its tool's own words."""


@dataclass(frozen=True)
class Plan:
    """What is wanted, as the operator's side sends it; see `clawkeep.cache.wants.Plan`."""

    tag: str
    node: str
    python: str
    wants: tuple[Want, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Plan:
        """Read it. Raises KeyError, TypeError."""
        wants = tuple(Want.of(one) for one in data["wants"])
        return cls(str(data["tag"]), str(data["node"]), str(data["python"]), wants)


@dataclass(frozen=True)
class Fetched:
    """A file that came, and what it is in the cache."""

    item: Item
    path: Path


@dataclass(frozen=True)
class Scratch:
    """One kind's folder for what is on its way; it survives a run that is killed."""

    folder: Path
    say: Callable[[str], None]

    def run(
        self,
        command: Sequence[str],
        cwd: Path | None = None,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run a program and return its stdout. Raises FillError with its last words."""
        home = os.environ.get("HOME", "/var/empty")
        base = {"HOME": home, "PATH": SYSTEM_PATH, "LANG": "en_US.UTF-8", "TMPDIR": str(self.tmp)}
        words = shlex.join([os.path.basename(command[0]), *command[1:3]])
        try:
            done = subprocess.run(
                command,
                cwd=cwd or self.folder,
                env={**base, **(env or {})},
                input=stdin,
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FillError(f"`{words} …`: {error}") from error
        if done.returncode:
            lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            said = "\n    ".join(lines[-LAST_LINES:]) or "(nothing)"
            raise FillError(f"`{words} …` ended with {done.returncode}:\n    {said}")
        return done.stdout

    @property
    def tmp(self) -> Path:
        """A folder for the programs' own needs."""
        path = self.folder / "tmp"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def download(self, urls: Mapping[str, Path], *, missing: bool = False) -> None:
        """Fetch addresses into files, several at once; what is there already is kept.

        Addresses travel on stdin: one may hold credentials. With `missing`, one that the server
        does not have leaves no file and is no error. Raises FillError.
        """
        due = {url: path for url, path in urls.items() if not path.exists()}
        if not due:
            return
        lines = []
        for url, path in due.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            quoted = str(path.with_name(f".{path.name}.part")).replace('"', '\\"')
            lines.append(f'url = "{url}"\noutput = "{quoted}"')
        words = ["/usr/bin/curl", "-fsSL", "--parallel", "--proto", "=https", "--retry", "2",
                 "--connect-timeout", "20", "--remove-on-error", "-K", "-"]  # fmt: skip
        try:
            self.run(words, stdin="\n".join(lines) + "\n")
        except FillError:
            if not missing:
                raise
        for path in due.values():
            part = path.with_name(f".{path.name}.part")
            if part.exists():
                part.replace(path)


def fetched(path: Path, kind: str, name: str, version: str, place: str, *,
            said_by: str, wants: Sequence[Want]) -> Fetched:  # fmt: skip
    """Return a file as an item, by the hash that it has."""
    sha256, size = sha256_of(path)
    keys = tuple(sorted(want.key for want in wants))
    return Fetched(Item(kind, name, version, sha256, size, place, said_by, keys), path)
