"""npm's packages for the cache: resolved by the host's npm, held to the hashes of its lock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from clawkeep.cache import lock
from clawkeep.cache.index import Want
from clawkeep.onhost.cache_tools import (
    HOMEBREW,
    SYSTEM_PATH,
    Fetched,
    FillError,
    Plan,
    Scratch,
    fetched,
)

QUIET = ("--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts")
ABOUT = "JSON.stringify([process.platform, process.arch, process.versions.modules])"


class Node:
    """The host's Node of a formula: the same as the guest's, so it resolves what that needs."""

    def __init__(self, scratch: Scratch, formula: str) -> None:
        self.scratch = scratch
        self.bin = f"{HOMEBREW}/opt/{formula}/bin"
        if not Path(self.bin, "npm").exists():
            raise FillError(
                f"{self.bin}/npm is not there: the host needs {formula} to fill the cache; run "
                "clawkeep apply base, which installs it and stops where the cache is needed"
            )
        platform, cpu, self.abi = json.loads(self._run("node", "-p", ABOUT))
        self.machine = lock.Machine(platform, cpu)
        self.registry = self._run("npm", "config", "get", "registry").strip()

    def _run(self, program: str, *words: str, cwd: Path | None = None) -> str:
        path = f"{self.bin}:{SYSTEM_PATH}"
        cache = str(self.scratch.folder / "npm")
        env = {
            "PATH": path,
            "npm_config_cache": cache,
            "npm_config_update_notifier": "false",
            # Without these npm asks a registry again when it installs from the lock.
            "npm_config_omit_lockfile_registry_resolved": "false",
        }
        return self.scratch.run([f"{self.bin}/{program}", *words], cwd=cwd, env=env)

    def resolve(self, package: str, folder: Path) -> None:
        """Write package.json and package-lock.json of one package into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"name": "skill", "private": true}\n')
        (folder / "package-lock.json").unlink(missing_ok=True)
        words = ("install", "--package-lock-only", "--save-exact", *QUIET, package)
        self._run("npm", *words, cwd=folder)

    def tarballs(self, text: str, where: str) -> Mapping[lock.Locked, Path]:
        """Have the tarballs of a lock; each is what the lock's integrity says. Raises FillError."""
        try:
            packages = lock.packages(text, self.machine)
        except lock.LockError as error:
            raise FillError(f"{where}: the lock {error}") from error
        folder = self.scratch.folder / "tarballs"
        files = {one: folder / f"{one.sha512[:40]}.tgz" for one in packages}
        self.scratch.download({one.url(self.registry): path for one, path in files.items()})
        for one, path in files.items():
            if hashlib.sha512(path.read_bytes()).hexdigest() != one.sha512:
                path.unlink()
                raise FillError(
                    f"{one.name} {one.version}: what came does not have the lock's integrity "
                    f"{one.integrity[:24]}…; it was removed, fill the cache again"
                )
        return files


def fetch(scratch: Scratch, wants: Sequence[Want], plan: Plan) -> list[Fetched]:
    """Return each wanted package with its lock, and the tarballs of all. Raises FillError."""
    node = Node(scratch, plan.node)
    found: list[Fetched] = []
    users: dict[lock.Locked, list[Want]] = {}
    files: dict[lock.Locked, Path] = {}
    for want in wants:
        slug = want.name.rpartition("@")[0].strip("@").replace("/", "-")
        folder = scratch.folder / "locks" / slug
        scratch.say(f"npm: {want.name}")
        node.resolve(want.name, folder)
        text = (folder / "package-lock.json").read_text()
        for one, path in node.tarballs(text, want.name).items():
            users.setdefault(one, []).append(want)
            files[one] = path
        for name in ("package.json", "package-lock.json"):
            place = f"npm/{slug}/{name}"
            found.append(fetched(folder / name, "npm", f"{want.name}: {name}", "", place,
                                 said_by="npm", wants=[want]))  # fmt: skip
    return [*found, *packed(files, users, "npm")]


def packed(
    files: Mapping[lock.Locked, Path], users: Mapping[lock.Locked, Sequence[Want]], kind: str
) -> list[Fetched]:
    """Return tarballs as items."""
    return [
        fetched(path, kind, one.name, one.version, f"npm/tarballs/{one.sha512[:40]}.tgz",
                said_by="npm", wants=users[one])
        for one, path in files.items()
    ]  # fmt: skip
