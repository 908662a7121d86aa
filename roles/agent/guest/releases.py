"""The releases on the guest's disk: their folders, their records, which one is active.

    /opt/nanoclaw/releases/<id>/    one release, complete; half a one is called <id>.new
    /opt/nanoclaw/current           -> releases/<id>, for people
    /opt/nanoclaw/state/            what outlives a release; release.json names the active one

Runs in the guest on its own Python 3.9, standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import time

ROOT = "/opt/nanoclaw"
RECORD = "release.json"
KEPT = 3
ID = re.compile(r"[0-9a-f]{12}-[0-9a-f]{8}")

#: Folder -> what its owner may, and what everybody else may. The group's bits are the runtime's: it
#: gives single folders to an agent user's group.
FOLDERS = {
    "releases": (7, 5),
    "cache": (7, 0),
    "runs": (7, 1),
    "state": (7, 1),
    "state/store": (7, 0),
    "state/data": (7, 1),
    "state/data/ipc": (7, 1),
    "state/data/sessions": (7, 1),
    "state/groups": (7, 1),
    "state/logs": (7, 0),
}

#: What a release has outside of itself: name in the release -> name in `state`.
LINKS = {"store": "store", "data": "data", "groups": "groups", "logs": "logs", ".env": ".env"}


class Places:
    """Where everything is below one root."""

    def __init__(self, root: str = ROOT) -> None:
        self.root = root = os.path.abspath(root)
        self.releases = os.path.join(root, "releases")
        self.state = os.path.join(root, "state")
        self.cache = os.path.join(root, "cache")
        self.current = os.path.join(root, "current")

    def release(self, name: str) -> str:
        """Return the folder of a release."""
        return os.path.join(self.releases, name)

    def wrong_folders(self) -> list[str]:
        """Return the folders that are missing, or that others may use otherwise than they must."""
        return [name for name in FOLDERS if not self._is_right(name)]

    def _is_right(self, name: str) -> bool:
        try:
            mode = os.lstat(os.path.join(self.root, name)).st_mode
        except OSError:
            return False
        owner, others = FOLDERS[name]
        return stat.S_ISDIR(mode) and mode >> 6 & 7 == owner and mode & 7 == others

    def make_folders(self) -> None:
        """Have every folder with its mode. Raises OSError, also where a link stands instead."""
        for name, (owner, others) in FOLDERS.items():
            path = os.path.join(self.root, name)
            try:
                os.mkdir(path, 0o700)
                group = others
            except FileExistsError:
                mode = os.lstat(path).st_mode
                if not stat.S_ISDIR(mode):
                    raise NotADirectoryError(f"{path} is no folder, or a link to one") from None
                group = mode >> 3 & 7
            os.chmod(path, owner << 6 | group << 3 | others)

    def records(self) -> dict[str, dict[str, object]]:
        """Return the records of all complete releases, the newest first."""
        found = {}
        for name in os.listdir(self.releases) if os.path.isdir(self.releases) else []:
            record = read_json(os.path.join(self.release(name), RECORD))
            if ID.fullmatch(name) and record.get("id") == name:
                found[name] = record
        order = sorted(found, key=lambda name: str(found[name].get("built_at")), reverse=True)
        return {name: found[name] for name in order}

    def active(self) -> dict[str, object]:
        """Return the record of the active release, {} when there is none."""
        record = read_json(os.path.join(self.state, RECORD))
        name = str(record.get("id"))
        try:
            linked = os.path.basename(os.readlink(self.current))
        except OSError:
            return {}
        there = linked == name and name in self.records()
        return record if there else {}

    def activate(self, name: str) -> None:
        """Make a complete release the active one. Raises KeyError when there is none of that name.

        The job that runs is not touched: it keeps the release that it was started with.
        """
        record = dict(self.records()[name], activated_at=now())
        fresh = f"{self.current}.new"
        if os.path.lexists(fresh):
            os.unlink(fresh)
        os.symlink(os.path.join("releases", name), fresh)
        os.replace(fresh, self.current)
        write_json(os.path.join(self.state, RECORD), record)

    def prune(self, spare: str) -> list[str]:
        """Remove all but the newest releases, the active one and `spare`; return what went."""
        records = self.records()
        kept = {*list(records)[:KEPT], spare, str(self.active().get("id"))}
        gone = [name for name in records if name not in kept]
        for name in gone:
            # Half a release must not be taken for a whole one when this is interrupted.
            doomed = f"{self.release(name)}.old"
            os.rename(self.release(name), doomed)
            shutil.rmtree(doomed)
        return gone

    def sweep(self) -> None:
        """Remove what an interrupted run left. Only with the lock held."""
        for name in os.listdir(self.releases):
            path = self.release(name)
            whole = ID.fullmatch(name) and read_json(os.path.join(path, RECORD)).get("id") == name
            if not whole and os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)

    def link_state(self, release: str, seeds: list[str]) -> None:
        """Point a release's own folders at `state`, which gets the tracked files in them as seeds.

        What is there already stays: a release never overwrites what agents wrote.
        """
        for path in seeds:
            source, target = os.path.join(release, path), os.path.join(self.state, path)
            if os.path.lexists(target) or not os.path.isfile(source):
                continue
            os.makedirs(os.path.dirname(target), mode=0o750, exist_ok=True)
            shutil.copyfile(source, f"{target}.new")
            os.chmod(f"{target}.new", 0o640)
            os.rename(f"{target}.new", target)
        for name, where in LINKS.items():
            path = os.path.join(release, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
            os.symlink(os.path.join("../../state", where), path)


def now() -> str:
    """Return the time as records have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def read_json(path: str) -> dict[str, object]:
    """Return the object in a JSON file, {} when there is none that can be read."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_json(path: str, data: dict[str, object]) -> None:
    """Write a JSON file, readable by all, in one piece."""
    fresh = f"{path}.new"
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=2, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.chmod(fresh, 0o644)
    os.replace(fresh, path)


def file_hash(path: str) -> str:
    """Return the SHA-256 of a file, in hex; "" when it is not there."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except FileNotFoundError:
        return ""
    return digest.hexdigest()


def manifest(folder: str, parts: list[str]) -> str:
    """Return lines as shasum writes them for every file of `parts`, paths relative to `folder`."""
    paths = []
    for part in parts:
        top = os.path.join(folder, part)
        if os.path.isfile(top):
            paths.append(part)
        for where, _, names in os.walk(top):
            paths += [os.path.relpath(os.path.join(where, name), folder) for name in names]
    return "".join(f"{file_hash(os.path.join(folder, path))}  {path}\n" for path in sorted(paths))


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
