"""`uv`: managed Pythons and virtual environments, over the lab's one interpreter.

`uv python install` downloads (the traffic is real) and then places a launcher of the lab's
interpreter where the standalone build would be. Source: docs.astral.sh/uv, reference "cli".
"""

import platform
import subprocess
import sys
from pathlib import Path

from ...calls import record
from ..download import Failure, fetch
from ..layout import Prefix

VERSION = "0.9.11"
BUILDS = {"3.11": "3.11.14", "3.12": "3.12.12", "3.13": "3.13.9", "3.14": "3.14.0"}
RELEASE = "https://github.com/astral-sh/python-build-standalone/releases/download/20251031"
INTERPRETER = "/System/Lab/python/bin/python3"
PLATFORM = "macos-aarch64-none"
LAUNCHER = f'#!/bin/sh\nexec {INTERPRETER} "$@"\n'


def main(argv: list[str]) -> int:
    """Run the subcommands that provisioning uses; 2 for any other, as clap does."""
    words, options = _parse(argv[1:])
    target = _install_target(words, options)
    mutates = (target is not None and not target.exists()) or words[:1] in (["venv"], ["pip"])
    record(argv, mutates=mutates)
    if {"--version", "-V"} & options.keys() or words == ["version"]:
        sys.stdout.write(f"uv {VERSION} (Homebrew 2025-11-20)\n")
        return 0
    return _dispatch(words, options, target)


def _dispatch(words: list[str], options: dict[str, str], target: Path | None) -> int:
    verb = " ".join(words[:2])
    if target is not None:
        return _install(target)
    if verb == "python find":
        return _find(words, options)
    if verb == "pip install":
        return _pip(words[2:], options)
    if words[:1] == ["venv"]:
        interpreter = options.get("--python") or options.get("-p") or INTERPRETER
        return _venv(interpreter, words[1] if len(words) > 1 else ".venv")
    if verb == "python list":
        sys.stdout.writelines(f"cpython-{build}-{PLATFORM}\n" for build in BUILDS.values())
        return 0
    sys.stderr.write(f"error: unrecognized subcommand '{verb}' (in this lab)\n")
    return 2


def _parse(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    words, options, rest = [], {}, iter(arguments)
    for word in rest:
        if word in {"--install-dir", "-i", "--python", "-p", "--requirement", "-r"}:
            options[word] = next(rest, "")
        elif word.startswith("-"):
            options[word.partition("=")[0]] = word.partition("=")[2]
        else:
            words.append(word)
    return words, options


def _build(request: str) -> str:
    version = request.removeprefix("cpython-").removeprefix("python").removeprefix("@")
    return BUILDS.get(version, version if version in BUILDS.values() else "")


def _folder(options: dict[str, str]) -> Path:
    named = options.get("--install-dir") or options.get("-i")
    return Path(named) if named else Path.home() / ".local/share/uv/python"


def _install_target(words: list[str], options: dict[str, str]) -> Path | None:
    if words[:2] != ["python", "install"]:
        return None
    build = _build(words[2] if len(words) > 2 else "3.14")
    return _folder(options) / f"cpython-{build}-{PLATFORM}" if build else Path("/nonexistent")


def _install(target: Path) -> int:
    if not target.name.startswith("cpython-"):
        sys.stderr.write("error: No download found for request\n")
        return 1
    build = target.name.split("-")[1]
    if (target / "bin" / "python3").exists():
        sys.stderr.write(f"Python {build.rpartition('.')[0]} is already installed\n")
        return 0
    url = f"{RELEASE}/cpython-{build}%2B20251031-aarch64-apple-darwin-install_only_stripped.tar.gz"
    failures: list[Failure] = fetch(Prefix(), [url])
    if failures:
        sys.stderr.write(f"error: Failed to install {target.name}\n")
        sys.stderr.write(
            f"  Caused by: Failed to download {url}\n  Caused by: {failures[0].message}\n"
        )
        return 1
    folder = target / "bin"
    folder.mkdir(parents=True)
    launcher = folder / f"python{build.rpartition('.')[0]}"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)
    for name in ("python3", "python"):
        (folder / name).symlink_to(launcher.name)
    sys.stderr.write(f"Installed Python {build} in 1.21s\n + {target.name}\n")
    return 0


def _find(words: list[str], options: dict[str, str]) -> int:
    wanted = f"cpython-{words[2] if len(words) > 2 else ''}*"
    found = sorted(_folder(options).glob(f"{wanted}/bin/python3"))
    if not found:
        sys.stderr.write(f"error: No interpreter found for {wanted} in managed installations\n")
        return 2
    sys.stdout.write(f"{found[-1]}\n")
    return 0


def _venv(interpreter: str, folder: str) -> int:
    sys.stderr.write(
        f"Using CPython {platform.python_version()}\nCreating virtual environment at: {folder}\n"
    )
    return subprocess.run([interpreter, "-m", "venv", folder], check=False).returncode


def _pip(packages: list[str], options: dict[str, str]) -> int:
    python = options.get("--python") or options.get("-p")
    if not python:
        sys.stderr.write(
            "error: No virtual environment found; run `uv venv` to create an environment\n"
        )
        return 2
    listed = options.get("--requirement") or options.get("-r")
    wanted = [*(["--requirement", listed] if listed else []), *packages]
    return subprocess.run([python, "-m", "pip", "install", *wanted], check=False).returncode
