"""Many files in one operation: one question, one upload, each file replaced atomically.

Stock pyinfra needs three commands per unchanged file, and uploads a secret to a predictable name
before it narrows the mode (reference/pyinfra.md §6, §8). Here contents travel on stdin, are laid
down with their final owner and mode beside the target, checked, and renamed over it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shlex
import tarfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from roles.differing import diffs
from roles.probe import Answer, Probe, ask, change, want
from roles.told import planning, told


@dataclass(frozen=True)
class File:
    """A file as it must be. `check` is a command that must accept the new file's path."""

    path: str
    content: bytes
    mode: str = "644"
    owner: str = "root"
    group: str = "wheel"
    check: str | None = None

    @property
    def sha256(self) -> str:
        """The content's hash, as shasum prints it."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Directory:
    """A directory as it must be; its parents are made as root's, 755."""

    path: str
    mode: str = "755"
    owner: str = "root"
    group: str = "wheel"


@dataclass(frozen=True)
class Found:
    """What is on the machine: mode, owner and group of each path, and hashes of files."""

    meta: dict[str, tuple[str, str, str]]
    hashes: dict[str, str]


# BSD stat and Perl's shasum: what every Mac has. One process each, however many paths.
LOOK = """stat -f '%Lp|%Su|%Sg|%N' {paths}
{hash}
true"""


def look(paths: Sequence[str], files: Sequence[str] | None = None) -> Probe[Found]:
    """Return the probe that reads mode, owner and group of `paths`, and the hash of `files`.

    It runs as root; `files` are all of `paths` unless told otherwise.
    """
    quoted = shlex.join(paths)
    hashed = quoted if files is None else shlex.join(files)
    name = f"files {hashlib.sha256(quoted.encode()).hexdigest()[:12]}"
    script = LOOK.format(paths=quoted, hash=f"shasum -a 256 {hashed}" if hashed else ":")
    return Probe(name, script, _found, sudo=True)


def _look_at(entries: Sequence[File | Directory]) -> Probe[Found]:
    return look(
        [entry.path for entry in entries],
        [entry.path for entry in entries if isinstance(entry, File)],
    )


def _found(answer: Answer) -> Found:
    found = Found({}, {})
    for line in answer.text.splitlines():
        if line.count("|") >= 3:
            mode, owner, group, path = line.split("|", 3)
            found.meta[path] = (mode, owner, group)
        elif len(line) > 66 and line[64:66] in {"  ", " *"}:
            found.hashes[line[66:]] = line[:64]
    return found


def differences(entry: File | Directory, found: Found) -> str | None:
    """Say in words how `entry` differs from what was found, or None."""
    meta = found.meta.get(entry.path)
    if meta is None:
        return "missing"
    words = []
    if isinstance(entry, File) and found.hashes.get(entry.path) != entry.sha256:
        words.append("content")
    if meta[0] != entry.mode.lstrip("0"):
        words.append(f"mode {meta[0]} -> {entry.mode}")
    if meta[1:] != (entry.owner, entry.group):
        words.append(f"owner {meta[1]}:{meta[2]} -> {entry.owner}:{entry.group}")
    return ", ".join(words) or None


def bundle(name: str, entries: Sequence[File | Directory]) -> None:
    """Bring every entry to its declared state in one operation."""
    want(_look_at(entries))
    _bundle(name=name, entries=list(entries))


@operation()
def _bundle(entries: list[File | Directory]) -> Generator[StringCommand, None, None]:
    """Replace what differs, and say per file what and why."""
    found = ask(_look_at(entries))
    due = [(entry, why) for entry in entries if (why := differences(entry, found))]
    if not due:
        host.noop(f"{len(entries)} files are as declared")
        return
    shown = {}
    if planning():
        differ = [e for e, why in due if isinstance(e, File) and "content" in why]
        shown = diffs({file.path: file.content for file in differ})
    for entry, why in due:
        told(entry.path, why, "+" if why == "missing" else "~", shown.get(entry.path, ""))
    yield install([entry for entry, _ in due])


def install(entries: Sequence[File | Directory]) -> StringCommand:
    """Return the one command that lays down `entries`, all checked before the first is replaced."""
    lines = [INSTALL_HEAD]
    files = [entry for entry in entries if isinstance(entry, File)]
    lines += [
        f"folder {d.mode} {d.owner}:{d.group} {q(d.path)}"
        for d in entries
        if isinstance(d, Directory)
    ]
    for number, file in enumerate(files):
        lines.append(
            f'chown {file.owner}:{file.group} "$d/{number}"; chmod {file.mode} "$d/{number}"'
        )
        if file.check:
            lines.append(f'{file.check} "$d/{number}" >&2')
    lines += [f"put {number} {q(file.path)}" for number, file in enumerate(files)]
    return change("\n".join(lines), sudo=True, stdin=_archive(files))


# The temporary name starts with a dot and ends with a tilde: sshd's Include, sudoers.d and
# launchd's folders all pass such a name over, should a run be killed between the two renames.
INSTALL_HEAD = """set -eu
d=$(mktemp -d /private/var/root/clawkeep.XXXXXX)
trap 'rm -rf "$d"' EXIT
base64 -D | tar -xf - -C "$d"
put() {
  p=$(dirname "$2"); [ -d "$p" ] || mkdir -p "$p"
  n="$p/.$(basename "$2").clawkeep~"
  rm -f "$n"; cp -p "$d/$1" "$n"; mv -f "$n" "$2"
}
folder() {
  # A user's own link must not lead root's chown elsewhere.
  if [ -L "$3" ]; then echo "$3 is a symbolic link; expected a directory" >&2; exit 1; fi
  mkdir -p "$3"; chown "$2" "$3"; chmod "$1" "$3"
}"""


def _archive(files: Sequence[File]) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for number, file in enumerate(files):
            member = tarfile.TarInfo(str(number))
            member.size, member.mode = len(file.content), 0o600
            archive.addfile(member, io.BytesIO(file.content))
    return base64.encodebytes(buffer.getvalue()).decode()


def q(text: str) -> str:
    """Quote for the shell."""
    return shlex.quote(text)
