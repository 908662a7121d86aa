"""Settings and programs of skills: who owns which, and what goes when a skill does.

The home is the user's, and so is every folder in it: all is done there as that user. What was
placed for which skill stands in a file of root's, so that a skill that is no longer wanted leaves
nothing, above all no token.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from pathlib import PurePosixPath

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.secrets import Secret
from clawkeep.skills.skill import PROGRAMS
from clawkeep.skills.survey import FOLDER, PLACED
from clawkeep.skills.wanted import Wanted
from roles.agent.secrets import SecretFile
from roles.bundle import Directory, File, install
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

Record = dict[str, list[str]]
"""What was placed, by skill: absolute paths."""


def programs(skills: Sequence[Wanted]) -> list[File | Directory]:
    """Return the programs of all skills, root's own."""
    folders = ("/usr/local", "/usr/local/clawkeep", PROGRAMS)
    texts = {path: text for skill in skills for path, text in skill.wants.programs.items()}
    return [
        *(Directory(path) for path in folders),
        *(File(path, text.encode(), "755") for path, text in texts.items()),
    ]


def settings(user: str, skills: Sequence[Wanted], values: Mapping[str, Secret]) -> list[SecretFile]:
    """Return all files of the user's; `values` are the secrets as `skill.name`."""
    found = []
    for skill in skills:
        for path, text in skill.wants.files.items():
            found.append(SecretFile(f"/Users/{user}/{path}", Secret(text)))
        own = {name: values[f"{skill.name}.{name}"].reveal() for name in skill.wants.secrets}
        found += [
            SecretFile(f"/Users/{user}/{file.path}", Secret(file.compose(own)))
            for file in skill.wants.secret_files
        ]
    return found


def _record(answer: Answer) -> Record | None:
    """Read the record; None for one that is not there."""
    try:
        data = json.loads(answer.text)
        return {str(name): [str(path) for path in paths] for name, paths in data.items()}
    except (ValueError, AttributeError, TypeError):
        return None


RECORD = Probe("skills placed", f"cat {PLACED}", _record, sudo=True)


def placed(user: str, skills: Sequence[Wanted]) -> Record:
    """Return what will have been placed for these skills."""
    return {
        skill.name: [
            *(f"/Users/{user}/{path}" for path in skill.paths),
            *skill.wants.programs,
        ]
        for skill in skills
    }


def recorded(name: str, user: str, skills: Sequence[Wanted]) -> None:
    """Have nothing left of skills that are no longer wanted, and a record of those that are."""
    want(RECORD)
    _recorded(name=name, user=user, record=placed(user, skills))


@operation()
def _recorded(user: str, record: Record) -> Generator[StringCommand, None, None]:
    old = ask(RECORD)
    if old == record or (old is None and not record):
        host.noop(f"{len(record)} skills are on record")
        return
    kept = {path for paths in record.values() for path in paths}
    gone = [path for paths in (old or {}).values() for path in paths if path not in kept]
    home = f"/Users/{user}/"
    for path in gone:
        told(path, "removed", "-")
    if own := [path for path in gone if path.startswith(home) and ".." not in path]:
        yield change(REMOVE, user, *own, sudo=True)
    if ours := [path for path in gone if PurePosixPath(path).parent == PurePosixPath(PROGRAMS)]:
        yield change('rm -f -- "$@"', *ours, sudo=True)
    # Before anything is placed: a run that is killed leaves nothing that nobody knows of.
    text = json.dumps(record, indent=2, sort_keys=True) + "\n"
    yield install([Directory("/usr/local"), Directory(str(PurePosixPath(FOLDER).parent)),
                   Directory(FOLDER), File(PLACED, text.encode())])  # fmt: skip


REMOVE = r"""u=$1; shift
exec sudo -n -u "$u" -H rm -f -- "$@"
"""


def folders(name: str, user: str, skills: Sequence[Wanted]) -> None:
    """Have the folders of the user's settings; those that are missing are for the user alone."""
    parents = {str(PurePosixPath(path).parent) for skill in skills for path in skill.paths}
    wanted = sorted(parents - {"."})
    want(_folders(user, wanted))
    _make(name=name, user=user, folders=wanted)


def _folders(user: str, paths: Sequence[str]) -> Probe[frozenset[str]]:
    tests = "; ".join(f'[ -d "{path}" ] && echo "{path}"' for path in paths)
    script = f"sudo -n -u {user} -H sh -c 'cd; {tests or ':'}; true'"
    return Probe(f"folders of {user}", script, lambda a: frozenset(a.text.splitlines()), sudo=True)


@operation()
def _make(user: str, folders: list[str]) -> Generator[StringCommand, None, None]:
    missing = [path for path in folders if path not in ask(_folders(user, folders))]
    if not missing:
        host.noop(f"{len(folders)} folders are there")
        return
    yield change(MAKE, user, *missing, sudo=True)


MAKE = r"""u=$1; shift
exec sudo -n -u "$u" -H sh -c 'cd && umask 077 && mkdir -p -- "$@"' clawkeep "$@"
"""
