"""`clawkeep cache fill`: fetches what is lacking, as the operator's own user, kind by kind.

What is downloaded is run by nobody: brew fetches without pouring, npm and pip resolve without
scripts and builds. Root is asked only to take the files in, by their hashes (`cache admit`). Each
kind is taken in when it is complete, and what was fetched stays until then: a fill that is killed
goes on where it was.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from clawkeep.cache.index import PLURALS, Want
from clawkeep.onhost import cache_brew, cache_npm, cache_pip, cache_source, paths
from clawkeep.onhost.cache_store import Store
from clawkeep.onhost.cache_tools import Fetched, FillError, Plan, Scratch, fetched

Fetch = Callable[[Scratch, Sequence[Want], Plan], list[Fetched]]
SCRATCH = "Library/Caches/clawkeep/fill"


def _models(scratch: Scratch, wants: Sequence[Want], _plan: Plan) -> list[Fetched]:
    """Return the models, which the host has; one with another hash is refused."""
    found = []
    for want in wants:
        scratch.say(f"model: {want.name}")
        path, sha256 = Path(want.name).expanduser(), str(want.data["sha256"])
        try:
            one = fetched(path, "model", want.name, "", f"models/{sha256}",
                          said_by="declaration", wants=[want])  # fmt: skip
        except OSError as error:
            raise FillError(
                f"model {want.name}: {error.strerror or error}; put the file there on the host"
            ) from error
        if one.item.sha256 != sha256:
            raise FillError(
                f"model {want.name} has the SHA-256 {one.item.sha256}, declared is {sha256}"
            )
        found.append(one)
    return found


FETCHERS: dict[str, Fetch] = {
    "formula": cache_brew.fetch,
    "npm": cache_npm.fetch,
    "pip": cache_pip.fetch,
    "model": _models,
    "source": cache_source.fetch,
}

#: Resolved together: one state of Homebrew, one virtual environment.
TOGETHER = frozenset({"formula", "pip"})


def fill(plan: Plan, say: Callable[[str], None], *, refresh: bool = False) -> list[str]:
    """Have everything of the plan in the cache; return what could not be had, a sentence each.

    With `refresh`, what is not pinned is resolved anew. Raises BadIndexError, OSError.
    """
    if os.geteuid() == 0:
        raise FillError("fetches as the user whom Homebrew belongs to, never as root")
    # Every file is read: what a disk has damaged is fetched again, too.
    index, problems = Store().index(), list[str]()
    broken = {key for item, _ in Store().damaged(index) for key in item.wants}
    lacking = {want.key for want in index.lacking(plan.wants)} | broken
    for kind, fetch in FETCHERS.items():
        wants = [want for want in plan.wants if want.kind == kind]
        due = [want for want in wants if refresh or want.key in lacking]
        if due and kind in TOGETHER:
            due = wants
        if not due:
            continue
        with _scratch(kind, say) as scratch:
            try:
                _admit(kind, due, fetch(scratch, due, plan), scratch)
            except FillError as error:
                problems.append(f"{PLURALS[kind]}: {error}")
            else:
                shutil.rmtree(scratch.folder, ignore_errors=True)
    return problems


@contextmanager
def _scratch(kind: str, say: Callable[[str], None]) -> Iterator[Scratch]:
    folder = Path.home() / SCRATCH / kind
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{kind}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FillError(f"another fill is at work in {folder}; wait until it ends") from error
        yield Scratch(folder, say)


def _admit(kind: str, wants: Sequence[Want], found: Sequence[Fetched], scratch: Scratch) -> None:
    """Hand the files to root, flat in one folder, with what they must be."""
    handed = scratch.folder / "handed"
    shutil.rmtree(handed, ignore_errors=True)
    handed.mkdir()
    for one in found:
        if not (name := handed / one.item.sha256).exists():
            try:
                os.link(one.path, name)
            except OSError:
                shutil.copyfile(one.path, name)
    asked = {
        "folder": str(handed),
        "keys": [want.key for want in wants],
        "items": [asdict(one.item) for one in found],
    }
    done = subprocess.run(
        ["/usr/bin/sudo", "-n", str(paths.PROGRAM), "cache", "admit"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise FillError(done.stderr.strip() or f"cache admit ended with {done.returncode}")
    scratch.say(f"{PLURALS[kind]}: {done.stdout.strip()}")
