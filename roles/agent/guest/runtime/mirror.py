"""Has a group's `.claude/skills` hold exactly the allowed skills, beside what the agent made.

NanoClaw copies its release's skills there at each run, and never removes one
(reference/nanoclaw.md §1.9). Here they are brought to what the release and the operator's list say
now: what an earlier run placed and is no longer allowed goes, file by file as it was noted; what
is not noted is the agent's own and stays. The note lies where agents cannot write.

The folder is the agent's to change, at any moment. So all is done below open folders, by single
names, following nothing; a file is made beside its place and moved there, which replaces a link
instead of writing through it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from typing import NamedTuple

from roles.agent.guest.runtime.granted import NAME, Grants
from roles.agent.guest.runtime.settings import Settings

SKILLS = "skills"
#: Ends to what a release's skill may hold; one of NanoClaw's own is a few files of some kilobytes.
FILE_BYTES, FILES = 4 << 20, 500
FOLDER_MODE, FILE_MODE = 0o2770, 0o660
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Tree = dict[str, bytes]
"""Files by their path below a skill's folder."""


class Done(NamedTuple):
    """What changed: names of skills, and what was in the way and put aside."""

    placed: list[str]
    removed: list[str]
    aside: list[str]


def wanted(grants: Grants, allowed: tuple[str, ...], release: str) -> dict[str, Tree]:
    """Return the files that must be there, by skill: the release's, and over them the operator's.

    Raises OSError when the release cannot be read.
    """
    found: dict[str, Tree] = {}
    top = f"{release}/container/skills"
    for name in sorted(os.listdir(top)) if os.path.isdir(top) else []:
        if grants.release is None or name in grants.release:
            tree = _tree(f"{top}/{name}")
            if tree:
                found[name] = tree
    for skill in allowed:
        given = grants.skills[skill]
        found[given.folder] = {path: text.encode() for path, text in given.texts.items()}
    return found


def _tree(top: str) -> Tree:
    """Read a release's skill; what is no plain file there is left out, as are large ones."""
    found: Tree = {}
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if NAME.fullmatch(name))
        for name in sorted(files):
            path = f"{folder}/{name}"
            info = os.lstat(path)
            if not NAME.fullmatch(name) or not stat.S_ISREG(info.st_mode) or len(found) >= FILES:
                continue
            if info.st_size <= FILE_BYTES:
                with open(path, "rb") as file:
                    found[os.path.relpath(path, top)] = file.read()
    return found


def mirror(settings: Settings, claude: str, group: tuple[str, int], trees: dict[str, Tree]) -> Done:
    """Bring the skills in the folder `claude` to `trees`; `group` is its folder and Unix group.

    Raises OSError.
    """
    name, gid = group
    with _noted(f"{settings.state}/skills", name) as note:
        before = note.read()
        now = {skill: sorted(tree) for skill, tree in trees.items()}
        # First what may come to be there: a run that is killed leaves nothing unknown.
        both = {s: sorted({*now.get(s, ()), *before.get(s, ())}) for s in {*now, *before}}
        if both != before:
            note.write(both)
        done = Done([], [], [])
        with _opened(claude) as above:
            with contextlib.suppress(FileExistsError):
                os.mkdir(SKILLS, 0o700, dir_fd=above)
            with _opened(SKILLS, above) as skills:
                _own(skills, gid)
                _mirror(skills, before, trees, gid, done)
        if now != both:
            note.write(now)
    return done


def _mirror(
    skills: int, before: dict[str, list[str]], trees: dict[str, Tree], gid: int, done: Done
) -> None:
    for skill, paths in before.items():
        stale = [path for path in paths if path not in trees.get(skill, {})]
        if stale and _remove(skills, skill, stale) and skill not in trees:
            done.removed.append(skill)
    for skill, tree in trees.items():
        known = skill in before
        if not known and _exists(skills, skill) and not _is_ours(skills, skill):
            # The agent's, of the same name: it stays, under another.
            _aside(skills, skill, done)
        if _place(skills, skill, tree, gid, done):
            done.placed.append(skill)


def _place(skills: int, skill: str, tree: Tree, gid: int, done: Done) -> bool:
    """Have the files of one skill; tell whether one was written."""
    changed = False
    for path, data in tree.items():
        with contextlib.ExitStack() as stack:
            folder = skills
            for part in (skill, *path.split("/")[:-1]):
                folder = stack.enter_context(_made(folder, part, gid, done))
            name = path.rsplit("/", 1)[-1]
            if _holds(folder, name, data):
                continue
            if _is_folder(folder, name):
                _aside(folder, name, done)
            beside = f".{name}.{os.getpid()}.{time.time_ns()}"
            descriptor = os.open(beside, _NEW, 0o600, dir_fd=folder)
            with open(descriptor, "wb") as file:
                file.write(data)
                _own(descriptor, gid, FILE_MODE)
            os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
            changed = True
    return changed


def _remove(skills: int, skill: str, paths: list[str]) -> bool:
    """Remove the noted files of a skill, and the folders that are empty then."""
    gone = False
    for path in paths:
        parts = path.split("/")
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            folders, folder = [], skills
            for part in (skill, *parts[:-1]):
                folders.append((folder, part))
                folder = stack.enter_context(_opened(part, folder))
            # Whatever it is by now, unless a folder: a link goes, not what it leads to.
            os.unlink(parts[-1], dir_fd=folder)
            gone = True
            for above, part in reversed(folders):
                os.rmdir(part, dir_fd=above)
    return gone


@contextlib.contextmanager
def _opened(path: str, above: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, _FOLDER, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _made(above: int, name: str, gid: int, done: Done) -> Iterator[int]:
    """Open a folder, made if it is not there; what is none that we can change is put aside."""
    changeable = os.R_OK | os.W_OK | os.X_OK
    if _exists(above, name) and not (
        _is_folder(above, name) and os.access(name, changeable, dir_fd=above)
    ):
        _aside(above, name, done)
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=above)
    with _opened(name, above) as folder:
        _own(folder, gid)
        yield folder


def _own(descriptor: int, gid: int, mode: int = FOLDER_MODE) -> None:
    info = os.fstat(descriptor)
    if info.st_uid == os.getuid() and (info.st_gid, stat.S_IMODE(info.st_mode)) != (gid, mode):
        os.fchown(descriptor, -1, gid)
        os.fchmod(descriptor, mode)


def _look(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _exists(folder: int, name: str) -> bool:
    return _look(folder, name) is not None


def _is_folder(folder: int, name: str) -> bool:
    info = _look(folder, name)
    return info is not None and stat.S_ISDIR(info.st_mode)


def _is_ours(folder: int, name: str) -> bool:
    """Whether NanoClaw made it: agents are other users."""
    info = _look(folder, name)
    return info is not None and stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid()


def _holds(folder: int, name: str, data: bytes) -> bool:
    """Whether a plain file of that name has that content, and no other name."""
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except OSError:
        return False
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1 or info.st_size != len(data):
            return False
        found = b""
        while len(found) <= len(data) and (more := os.read(descriptor, 1 << 16)):
            found += more
        return found == data
    finally:
        os.close(descriptor)


def _aside(folder: int, name: str, done: Done) -> None:
    os.rename(name, f".{name}.{time.time_ns()}", src_dir_fd=folder, dst_dir_fd=folder)
    done.aside.append(name)


class _Note:
    """What was placed for one group: paths by skill."""

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, list[str]]:
        try:
            with open(self.path, encoding="utf-8") as file:
                value = json.load(file)
            return {str(skill): [str(path) for path in paths] for skill, paths in value.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def write(self, value: dict[str, list[str]]) -> None:
        descriptor = os.open(self.path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        os.replace(self.path + ".new", self.path)


@contextlib.contextmanager
def _noted(folder: str, group: str) -> Iterator[_Note]:
    """Open a group's note; one run at a time."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    descriptor = os.open(f"{folder}/{group}.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield _Note(f"{folder}/{group}.json")
    finally:
        os.close(descriptor)
