"""The operator's own guides for agents: folders `skills/<name>/` of the project, with a SKILL.md.

Read on the operator's side and checked whole: what is wrong with one ends the run before anything
changes. Rules of the format: the Agent Skills specification (front matter `name` and
`description`; a name is lower-case letters, digits and single hyphens, and that of its folder).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from clawkeep.config.problem import Mark, Problem

GUIDE = "SKILL.md"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
FILE_BYTES, SKILL_BYTES, FILES, SKILLS = 64 << 10, 256 << 10, 50, 50
NAME_LENGTH, DESCRIPTION_LENGTH = 64, 1024
FRONT = re.compile(r"---\n(.*?)\n---(\n|\Z)", re.DOTALL)

Texts = dict[str, str]
"""The files of one skill: text by path below its folder."""


def read(folder: Path, taken: Iterable[str] = ()) -> tuple[dict[str, Texts], list[Problem]]:
    """Return the skills in `folder` by name, and all that is wrong with it.

    No such folder means no such skills. `taken` are names of guides that skills of ours have.
    """
    skills: dict[str, Texts] = {}
    problems: list[Problem] = []
    if not os.path.lexists(folder):
        return skills, problems
    if folder.is_symlink() or not folder.is_dir():
        text = "a folder is expected here, with a folder for each skill; no link"
        return skills, [Problem(str(folder), text)]
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    if len(names) > SKILLS:
        return skills, [Problem(str(folder), f"holds {len(names)} skills; at most {SKILLS}")]
    for name in names:
        texts, found = _skill(folder / name)
        if name in set(taken):
            text = f"{name!r} is the guide of a wanted skill; give yours another name"
            found.append(Problem(str(folder / name), text))
        problems += found
        if not found:
            skills[name] = texts
    return skills, problems


def _skill(folder: Path) -> tuple[Texts, list[Problem]]:
    if folder.is_symlink() or not folder.is_dir():
        return {}, [Problem(str(folder), "a folder with a SKILL.md is expected here; no link")]
    if not NAME.fullmatch(folder.name) or len(folder.name) > NAME_LENGTH:
        text = f"is no name of a skill: up to {NAME_LENGTH} small letters, digits, single hyphens"
        return {}, [Problem(str(folder), text)]
    texts: Texts = {}
    problems: list[Problem] = []
    for count, path in enumerate(_files(folder, problems), 1):
        if count > FILES:
            problems.append(Problem(str(folder), f"holds more than {FILES} files"))
            break
        if (content := _text(path, problems)) is not None:
            texts[path.relative_to(folder).as_posix()] = content
    if sum(len(text.encode()) for text in texts.values()) > SKILL_BYTES:
        problems.append(Problem(str(folder), f"is larger than {SKILL_BYTES} bytes"))
    folded = [path.casefold() for path in texts]
    if len(set(folded)) < len(folded):
        problems.append(Problem(str(folder), "two files differ by case alone: a Mac has one"))
    if GUIDE in texts:
        problems += _guide(folder / GUIDE, texts[GUIDE], folder.name)
    elif not problems:
        problems.append(Problem(str(folder), f"has no {GUIDE}"))
    return texts, problems


def _files(folder: Path, problems: list[Problem]) -> Iterator[Path]:
    """Yield the files below a folder; what is neither file nor folder is a problem."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = folder / entry.name
        if entry.name == ".DS_Store":
            continue
        if not PART.fullmatch(entry.name):
            problems.append(Problem(str(path), "must be called by letters, digits, `.`, `_`, `-`"))
        elif entry.is_symlink():
            problems.append(Problem(str(path), "is a link; put the file itself here"))
        elif entry.is_dir():
            yield from _files(path, problems)
        elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            yield path
        else:
            problems.append(Problem(str(path), "is no regular file"))


def _text(path: Path, problems: list[Problem]) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
        if len(data) > FILE_BYTES:
            problems.append(Problem(str(path), f"is larger than {FILE_BYTES} bytes"))
            return None
        return data.decode()
    except OSError as error:
        problems.append(Problem(str(path), f"{error.strerror}"))
    except UnicodeDecodeError:
        problems.append(Problem(str(path), "is no UTF-8 text"))
    return None


def _guide(path: Path, text: str, name: str) -> list[Problem]:
    """Check the front matter."""

    def problem(message: str, line: int = 1) -> list[Problem]:
        return [Problem(str(path), message, Mark(line, 1))]

    found = FRONT.match(text)
    if found is None:
        return problem("must begin with front matter: `---`, name, description, `---`")
    try:
        front: Any = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "is no YAML"
        return problem(f"front matter: {what}", mark.line + 2 if mark else 1)
    if not isinstance(front, dict):
        return problem("front matter: a mapping is expected, with name and description")
    lines = found[1].splitlines()

    def line_of(key: str) -> int:
        return next((n for n, line in enumerate(lines, 2) if line.startswith(f"{key}:")), 1)

    problems = []
    if front.get("name") != name:
        said = front.get("name")
        text = f"name is {said!r}, and its folder {name!r}; make them equal"
        problems += problem(text if said is not None else "name is missing", line_of("name"))
    description = front.get("description")
    if not isinstance(description, str) or not description.strip():
        problems += problem("description is missing: a sentence on when it is needed",
                            line_of("description"))  # fmt: skip
    elif len(description) > DESCRIPTION_LENGTH:
        text = f"description is longer than {DESCRIPTION_LENGTH} characters"
        problems += problem(text, line_of("description"))
    return problems
