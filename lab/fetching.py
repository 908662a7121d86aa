"""How the bottle cache gets at things: programs of this machine, and npm's own packages."""

import json
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

TIMEOUT_S = 600


class UnavailableError(Exception):
    """A tool or the network is missing; the message says which, in one line."""


def run(command: Sequence[str], *, cwd: Path | None = None) -> str:
    """Run a program and return what it printed. Raises UnavailableError with its own reason."""
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=cwd
        )
    except FileNotFoundError as problem:
        raise UnavailableError(f"`{command[0]}` is not installed here") from problem
    except subprocess.TimeoutExpired as problem:
        raise UnavailableError(f"`{command[0]}` did not finish within 10 minutes") from problem
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if "rror" in line] or ["no message"]
        raise UnavailableError(f"`{' '.join(command[:4])} …` failed: {lines[-1].strip()}")
    return result.stdout


def npm_pack(packages: Sequence[str], folder: Path) -> list[Path]:
    """Fetch packages (`name@version`) from whatever registry npm is set to; return the tarballs."""
    output = run(["npm", "pack", *packages, "--json", "--pack-destination", str(folder)])
    try:
        names = [str(one["filename"]) for one in json.loads(output)]
    except (json.JSONDecodeError, LookupError, TypeError) as problem:
        raise UnavailableError(f"npm pack {packages[0]} answered something unexpected") from problem
    return [folder / name.replace("@", "").replace("/", "-") for name in names]


def unpack(archive: Path, target: Path) -> None:
    """Unpack an npm package without its leading folder."""
    with tarfile.open(archive) as tar:
        members = []
        for member in tar.getmembers():
            _top, _, member.name = member.name.partition("/")
            if member.name:
                members.append(member)
        tar.extractall(target, members=members, filter="data")
