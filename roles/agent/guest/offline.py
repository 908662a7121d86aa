"""A build without a network: copied from the host's cache, hashed, and only then used.

    source/nanoclaw.bundle   the commits, for git
    npm/tarballs/            what the locks name: npm finds it in its own cache by the integrity
    prebuilt/                compiled addons, by the names that prebuild-install looks for

Which files, and which hash each must have, the host says with the specification.
Runs in the guest on its own Python 3.9, standard library only.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator

import gitsource
from stepping import StepError, run, say

STEP = "cache"
BUNDLE = "source/nanoclaw.bundle"
PIECE = 1 << 20
PLACE = re.compile(r"[A-Za-z0-9@+._-]+(?:/[A-Za-z0-9@+~!._-]+)*")


class Stock:
    """What the host's cache has for one build; `cached` is {"share": path, "files": […]}."""

    def __init__(self, cached: dict, folder: str) -> None:
        self.share, self.files, self.folder = cached["share"], cached["files"], folder

    def stage(self) -> None:
        """Copy and hash every file. Raises StepError, which names all that are wrong."""
        if not os.path.isdir(self.share):
            raise StepError(
                f"{STEP}: the cache is not shared with this guest (no {self.share}): it was "
                "started without; run clawkeep apply base"
            )
        self.remove()
        wrong = []
        for sha256, place, title in self.files:
            if not PLACE.fullmatch(place) or ".." in place:
                raise StepError(f"{STEP}: {title}: {place!r} is no place inside a folder")
            target = os.path.join(self.folder, place)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if problem := _copied(os.path.join(self.share, sha256), target, sha256):
                wrong.append(f"{title}: its file in the cache {problem}")
        if wrong:
            self.remove()
            raise StepError(f"{STEP}: {'; '.join(wrong[:5])}; run clawkeep cache fill")
        say(f"{STEP}: {len(self.files)} files are as the host says")

    def environment(self) -> dict[str, str]:
        """Return the variables by which npm asks nobody, and addons are found."""
        prebuilt = os.path.join(self.folder, "prebuilt")
        found = {"npm_config_offline": "true"}
        for name in os.listdir(prebuilt) if os.path.isdir(prebuilt) else []:
            package = re.sub(r"[^a-zA-Z0-9]", "_", name.partition("-v")[0])
            found[f"npm_config_{package}_local_prebuilds"] = prebuilt
        return found

    def seed(self, repository: str, npm: str, env: dict[str, str]) -> None:
        """Have the commits in the bare `repository`, and the packages in npm's cache."""
        os.makedirs(repository, exist_ok=True)
        git = gitsource.Git(repository, env, STEP)
        git("init", "--quiet", "--bare")
        bundle = os.path.join(self.folder, BUNDLE)
        git("fetch", "--quiet", "--no-tags", bundle, "+refs/clawkeep/*:refs/clawkeep/*")
        if tarballs := sorted(glob.glob(os.path.join(self.folder, "npm", "tarballs", "*.tgz"))):
            run(STEP, [npm, "cache", "add", "--loglevel=error", *tarballs], self.folder, env)

    def remove(self) -> None:
        """Remove the copies."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def addressed(lock: str) -> Iterator[None]:
    """Have every package of a lock say where it is, while this is entered.

    npm asks the registry about one that does not (`omit-lockfile-registry-resolved`), also where
    its content is in the cache by the lock's integrity. Nobody is ever asked at these addresses.
    """
    with open(lock, "rb") as file:
        before = file.read()
    data = json.loads(before)
    for place, entry in data.get("packages", {}).items():
        if place and "integrity" in entry and "resolved" not in entry:
            name = entry.get("name") or place.rpartition("node_modules/")[2]
            file = "{}-{}.tgz".format(name.rpartition("/")[2], entry["version"])
            entry["resolved"] = f"https://cache.invalid/{name}/-/{file}"
    try:
        _write(lock, json.dumps(data, indent=2).encode())
        yield
    finally:
        _write(lock, before)


def _write(path: str, content: bytes) -> None:
    with open(path + ".new", "wb") as file:
        file.write(content)
    os.replace(path + ".new", path)


def _copied(source: str, target: str, sha256: str) -> str:
    """Copy a file and hash what was copied; say what is wrong with it, "" for nothing."""
    digest = hashlib.sha256()
    try:
        with open(source, "rb") as file, open(target, "wb") as copy:
            while piece := file.read(PIECE):
                digest.update(piece)
                copy.write(piece)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if digest.hexdigest() == sha256 else "is damaged"
