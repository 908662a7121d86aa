"""NanoClaw for the cache: its commits as a git bundle, and the packages of their locks."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from clawkeep.cache.index import Want
from clawkeep.cache.lock import Locked
from clawkeep.onhost.cache_npm import Node, packed
from clawkeep.onhost.cache_tools import Fetched, FillError, Plan, Scratch, fetched

LOCKS = ("package-lock.json", "container/agent-runner/package-lock.json")
GITHUB = re.compile(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?$")


def fetch(scratch: Scratch, wants: Sequence[Want], _plan: Plan) -> list[Fetched]:
    """Return the sources with all that `npm ci` of them installs. Raises FillError."""
    found: list[Fetched] = []
    for want in wants:
        node = Node(scratch, str(want.data["node"]))
        source = _Source(scratch, want)
        source.bring()
        users: dict[Locked, list[Want]] = {}
        files: dict[Locked, Path] = {}
        for commit, name, text in source.locks():
            for one, path in node.tarballs(text, f"{commit[:12]}:{name}").items():
                users[one], files[one] = [want], path
        bundle = source.bundle()
        found += [
            fetched(bundle, "source", want.name, source.pins[0][:12], "source/nanoclaw.bundle",
                    said_by="declaration", wants=[want]),
            *packed(files, users, "source"),
            *_addons(scratch, node, files, want),
        ]  # fmt: skip
    return found


class _Source:
    """The commits of one want, in a bare repository."""

    def __init__(self, scratch: Scratch, want: Want) -> None:
        self.scratch = scratch
        self.commits = [(str(url), str(commit)) for url, commit in want.data["commits"]]
        self.pins = [commit for _, commit in self.commits]
        self.folder = scratch.folder / "repository.git"
        self.rewrites: Mapping[str, str] = want.data["rewrites"]

    def _git(self, *words: str) -> str:
        rewritten = [
            word
            for address, taken in self.rewrites.items()
            for word in ("-c", f"url.{taken}.insteadOf={address}")
        ]
        env = {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
        }
        git = ["/usr/bin/git", "-C", str(self.folder), *rewritten, *words]
        return self.scratch.run(git, env=env)

    def bring(self) -> None:
        """Have every commit; git itself checks that a commit is what its name says."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--bare")
        for repository, commit in self.commits:
            try:
                self._git("cat-file", "-e", f"{commit}^{{commit}}")
            except FillError:
                self.scratch.say(f"source: {commit} of {repository}")
                self._git("fetch", "--quiet", "--no-tags", repository, commit)
            self._git("update-ref", f"refs/clawkeep/{commit}", commit)

    def locks(self) -> list[tuple[str, str, str]]:
        """Return (commit, path, text) of every lock: a skill's replaces that of the checkout."""
        found = []
        for commit in dict.fromkeys(self.pins):
            there = self._git("ls-tree", "--name-only", "--full-tree", commit, *LOCKS).split()
            found += [(commit, name, self._git("show", f"{commit}:{name}")) for name in there]
        return found

    def bundle(self) -> Path:
        """Return a file that git fetches the commits from."""
        path = self.scratch.folder / "nanoclaw.bundle"
        path.unlink(missing_ok=True)
        refs = [f"refs/clawkeep/{commit}" for commit in dict.fromkeys(self.pins)]
        self._git("bundle", "create", "--quiet", str(path), *refs)
        return path


def _addons(
    scratch: Scratch, node: Node, files: Mapping[Locked, Path], want: Want
) -> list[Fetched]:
    """Return compiled addons that packages would fetch from their releases on GitHub.

    Nobody says which hash they must have, so it is only recorded; one that there is not is left
    to be compiled in the guest. Source: prebuild-install's util.js, `getDownloadUrl`.
    """
    found = []
    for one, tarball in files.items():
        if not (repository := _prebuilt(tarball)):
            continue
        file = (
            f"{one.name.rpartition('/')[2]}-v{one.version}-node-v{node.abi}-"
            f"{node.machine.os}-{node.machine.cpu}.tar.gz"
        )
        path = scratch.folder / "prebuilt" / file
        url = f"https://github.com/{repository}/releases/download/v{one.version}/{file}"
        scratch.download({url: path}, missing=True)
        if path.exists():
            found.append(
                fetched(path, "source", f"{one.name}: addon", one.version, f"prebuilt/{file}",
                        said_by="recorded", wants=[want])
            )  # fmt: skip
        else:
            scratch.say(f"source: {url} is not there; the guest will have to compile {one.name}")
    return found


def _prebuilt(tarball: Path) -> str:
    """Return the GitHub repository of a package that fetches its addon, "" for any other."""
    try:
        with tarfile.open(tarball) as tar:
            names = [name for name in tar.getnames() if name.count("/") == 1]
            file = tar.extractfile(next(n for n in names if n.endswith("/package.json")))
            package = json.load(file) if file else {}
    except (OSError, ValueError, StopIteration, tarfile.TarError) as error:
        raise FillError(f"{tarball}: {error!r}") from error
    if "prebuild-install" not in (package.get("dependencies") or {}):
        return ""
    repository = package.get("repository") or ""
    url = repository.get("url", "") if isinstance(repository, dict) else repository
    match = GITHUB.search(str(url))
    return match[1] if match else ""
