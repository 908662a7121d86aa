"""Reads a repository on this machine, without a host: after the Mac is lost."""

from __future__ import annotations

import argparse
import json
import os
import stat
import tempfile
from dataclasses import asdict
from pathlib import Path

from clawkeep.backup import keys
from clawkeep.backup.check import check, set_aside
from clawkeep.backup.errors import BackupError
from clawkeep.backup.repository import Repository
from clawkeep.backup.restore import compare, looked, restore
from clawkeep.backup.storage import Folder
from clawkeep.cli.verb import say


def opened(folder: Path, key_file: Path) -> Repository:
    """Open a repository with the key in a file that is its owner's alone. Raises BackupError."""
    with key_file.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise BackupError(f"others may read {key_file}; run: chmod 600 {key_file}")
        text = file.read(4096).decode("utf-8", "replace")
    return Repository.open(Folder(folder), keys.checked(text))


def run(options: argparse.Namespace) -> int:
    """List, check or restore; return the exit status. Raises BackupError, OSError."""
    if not (options.key_file and options.repository):
        raise BackupError(
            "--repository and --key-file belong together: without both, the host's own are taken"
        )
    repository = opened(Path(options.repository), Path(options.key_file))
    if options.action == "list":
        return _list(repository, as_json=options.json)
    if options.action == "check":
        return _check(repository, options)
    if options.to_guest:
        raise BackupError("--to-guest is done by the host, from its own repository")
    return _restore(repository, options)


def _list(repository: Repository, *, as_json: bool) -> int:
    found = repository.catalogue()
    if as_json:
        say(json.dumps(asdict(found), indent=2))
    else:
        for backup in found.backups:
            problems = f"  {backup.problems} PROBLEMS" if backup.problems else ""
            say(f"{backup.name}  {backup.files} files  {backup.bytes / 1e6:.1f} MB{problems}")
    return 0


def _check(repository: Repository, options: argparse.Namespace) -> int:
    found = check(repository)
    if options.set_aside:
        set_aside(repository, found)
    if options.json:
        say(json.dumps(asdict(found), indent=2))
    else:
        for line in found.problems:
            say(line)
        say(f"{'DAMAGED' if found.problems else 'sound'}: {found.backups} backups, "
            f"{found.chunks} chunks")  # fmt: skip
    return 1 if found.problems else 0


def _restore(repository: Repository, options: argparse.Namespace) -> int:
    backup = repository.catalogue().get(options.name)
    with tempfile.TemporaryDirectory(prefix="clawkeep-restore-") as scratch:
        into = Path(options.into) if options.into else Path(scratch) / "back"
        restore(repository, backup, into)
        found = compare(repository, backup, into, looked)
    if options.json:
        say(json.dumps({"backup": backup.name, **asdict(found)}, indent=2))
    else:
        for line in found.differences:
            say(f"  {line}")
        say(f"{backup.name}: {found.files} files, {found.databases} databases with {found.rows} "
            f"rows; {len(found.differences)} differences")  # fmt: skip
    return 1 if found.differences else 0
