"""The bottle cache: what the lab's `brew` and `pip` need and Debian does not have.

Runs on the developer's machine: `python -m lab.bottles [--dir DIR] [--check]`. Node comes from
npm's own packages of it, wheels from pip's index, npm packages from npm's registry; each tool is
asked, so whatever registry or mirror it is set up for is used. What is there already is left alone;
without a network the rest is reported and the lab still starts.
"""

import argparse
import fcntl
import json
import os
import platform
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import npm, prebuilt, whisper
from lab.fetching import UnavailableError, npm_pack, run, unpack

CHECKOUT = Path(__file__).resolve().parents[1]
DEFAULT_DIR = CHECKOUT / ".cache" / "bottles"
FORMULAS = CHECKOUT / "lab" / "mac" / "brew" / "formulas.json"
NPM_OF = {"node@22": "npm@10.9.9", "node@24": "npm@11.21.2"}
"""The npm that each Node brings along on a Mac."""
ADDON = "better-sqlite3@11.10.0"
"""What NanoClaw v1.2 and its stand-in lock. Source: reference/nanoclaw.md §1.2."""
WHEELS = ("edge-tts", "pip", "setuptools", "wheel")
CLI = "@google/gemini-cli@0.61.0"
"""An agent's command line that is JavaScript alone; the others bring 200 MB per kind of machine."""
STAMP = ".complete.json"


@dataclass(frozen=True)
class Bottle:
    """One folder of the cache: what it `wants` to hold, and what fails `without` it."""

    name: str
    wants: list[str]
    fill: Callable[[Path, list[str]], None]
    without: str


def bottles() -> list[Bottle]:
    """Everything the cache should hold."""
    versions = {name: _node_version(name) for name in NPM_OF}
    found = [
        Bottle(
            name,
            [f"{_node_package()}@{versions[name]}", npm_itself],
            _fill_node,
            f"`brew install {name}` will fail in the lab, and images come without it",
        )
        for name, npm_itself in NPM_OF.items()
    ]
    wheels = "`pip install` will find nothing in the lab (edge-tts, clawkeep's own requirements)"
    packages = "`npm ci` will find nothing in the lab, so no NanoClaw can be built there"
    addon = [ADDON, "node@22", versions["node@22"]]
    compiled = "`npm ci` of NanoClaw will fail in the lab: its database needs a compiled addon"
    return [
        *found,
        Bottle("wheels", [*WHEELS, *_own_requirements()], _fill_wheels, wheels),
        Bottle("npm-cli", [CLI], npm.fill, "the lab's guest gets no other agent's command line"),
        Bottle("npm", npm.locked(npm.own_locks()), npm.fill, packages),
        Bottle("prebuilt", addon, prebuilt.fill, compiled),
        Bottle(whisper.NAME, whisper.PACKAGES, _fill_whisper, "whisper hears nothing in the lab"),
    ]


def complete(folder: Path, bottle: Bottle) -> bool:
    """Whether the cache holds this bottle in the wanted versions."""
    try:
        stamp = json.loads((folder / bottle.name / STAMP).read_text())
    except (OSError, json.JSONDecodeError):
        return False
    return bool(stamp == bottle.wants)


def fill(folder: Path = DEFAULT_DIR, *, say: Callable[[str], None] = print) -> list[str]:
    """Fetch what is missing; a bottle appears whole or not at all.

    Returns:
        One sentence per bottle that could not be had: which, why, and what will not work.
    """
    problems = []
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        for bottle in bottles():
            if complete(folder, bottle):
                continue
            say(f"bottles: fetching {bottle.name} ({_some(bottle.wants)})")
            try:
                _fill_one(folder, bottle)
            except UnavailableError as problem:
                problems.append(f"{bottle.name} is missing: {problem}. {bottle.without}.")
    return problems


def missing(folder: Path = DEFAULT_DIR) -> list[str]:
    """Return the same sentences as `fill`, without fetching anything."""
    absent = [bottle for bottle in bottles() if not complete(folder, bottle)]
    return [f"{bottle.name} is missing. {bottle.without}." for bottle in absent]


def _fill_one(folder: Path, bottle: Bottle) -> None:
    staging = Path(tempfile.mkdtemp(prefix=f".{bottle.name}-", dir=folder))
    try:
        staging.chmod(0o755)
        bottle.fill(staging, bottle.wants)
        (staging / STAMP).write_text(json.dumps(bottle.wants))
        target = folder / bottle.name
        if target.exists():
            target.rename(staging.with_name(f"{staging.name}-old"))
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(staging.with_name(f"{staging.name}-old"), ignore_errors=True)


def _fill_node(target: Path, wants: list[str]) -> None:
    node, npm_itself = wants
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pack-") as scratch:
        unpack(npm_pack([node], Path(scratch))[0], target)
        modules = target / "lib" / "node_modules" / "npm"
        modules.mkdir(parents=True, exist_ok=True)
        unpack(npm_pack([npm_itself], Path(scratch))[0], modules)
    # Homebrew's node does the same, so that global packages land outside the keg.
    (modules / "npmrc").write_text("prefix = /opt/homebrew\n")


def _fill_wheels(target: Path, wants: list[str]) -> None:
    command = [_interpreter(), "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    run([*command, "--only-binary=:all:", "--dest", str(target), *wants])


def _fill_whisper(target: Path, wants: list[str]) -> None:
    whisper.fill(target, wants, _interpreter())


def _interpreter() -> str:
    """Return the interpreter that the lab's machines run, for which the wheels must fit."""
    return str(Path(sys.base_prefix) / "bin" / "python3")


def _some(wants: list[str]) -> str:
    shown = ", ".join(wants[:12])
    return shown if len(wants) <= 12 else f"{shown} and {len(wants) - 12} more"


def _node_package() -> str:
    return f"node-linux-{'arm64' if platform.machine() in {'aarch64', 'arm64'} else 'x64'}"


def _node_version(formula: str) -> str:
    formulae = json.loads(FORMULAS.read_text())["homebrew/core"]
    return str(formulae[formula]["version"])


def _own_requirements() -> list[str]:
    """Return what clawkeep itself needs where it is installed on a host."""
    try:
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return []
    return list(project.get("dependencies", []))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None) -> int:
    """Fill (or with `--check` only inspect) the cache; 1 when something is missing afterwards."""
    parser = argparse.ArgumentParser(prog="python -m lab.bottles", description=main.__doc__)
    parser.add_argument("--dir", type=Path, default=DEFAULT_DIR, help="the cache (%(default)s)")
    parser.add_argument(
        "--check", action="store_true", help="fetch nothing, only say what is missing"
    )
    options = parser.parse_args(arguments)
    problems = missing(options.dir) if options.check else fill(options.dir)
    for problem in problems:
        sys.stderr.write(f"bottles: {problem}\n")
    if not problems:
        sys.stdout.write(f"bottles: complete in {os.path.relpath(options.dir)}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
