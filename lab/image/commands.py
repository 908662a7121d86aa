"""The commands of a Mac: Linux's own program where it behaves the same, else a stand-in.

`lab/userland.json` lists the former, `lab/mac/commands/*.json` the latter, which win. Nothing else
is on PATH: what a Mac lacks is not there.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .tree import Tree

USERLAND = Path(__file__).resolve().parents[1] / "userland.json"
REGISTERED = Path(__file__).resolve().parents[1] / "mac" / "commands"
LINUX = "/System/Lab/linux"
PYTHON = "/System/Lab/python/bin"
PIP = '#!/bin/sh\nexec /usr/bin/python3 -m pip "$@"\n'


@dataclass(frozen=True)
class Command:
    """A registered stand-in: a module with `main`, or a link to a program of the lab.

    Attributes:
        warm: it ends soon, and minds no other process in its place: the fork server may run it.
    """

    path: str
    module: str | None
    link: str | None
    on: frozenset[str]
    warm: bool = False


def registered(folder: Path = REGISTERED) -> list[Command]:
    """Read what the parts of the lab registered. Raises ValueError naming the file at fault."""
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            entries = json.loads(file.read_text())
        except ValueError as problem:
            raise ValueError(f"{file}: {problem}") from problem
        found += [_command(path, entry) for path, entry in entries.items()]
    return found


def _command(path: str, entry: str | dict[str, Any]) -> Command:
    if isinstance(entry, str):
        entry = {"module": entry}
    on = frozenset(entry.get("on", ("host", "guest")))
    return Command(path, entry.get("module"), entry.get("link"), on, entry.get("warm", False))


def write_stand_ins(tree: Tree, commands: list[Command], *, warm: bool = False) -> None:
    """Put stand-ins into an image, over real programs of the same name.

    `warm` says that the machine has the fork server's client.
    """
    for command in commands:
        if command.link:
            tree.link(command.path, command.link)
        elif command.module:
            tree.entry(command.path, command.module, warm=warm and command.warm)


def write_real_programs(tree: Tree) -> None:
    """Link the programs that are the same on a Mac, as far as this machine has them."""
    userland = json.loads(USERLAND.read_text())
    for folder in ("/bin", "/usr/bin", "/sbin", "/usr/sbin"):
        for name in userland[folder]:
            _link_real(tree, f"{folder}/{name}", name)
    for path, name in userland["aliases"].items():
        _link_real(tree, path, name)
    for path, name in userland["python"].items():
        if name.startswith("pip"):
            tree.write(path, PIP, mode=0o755)
        else:
            tree.link(path, f"{PYTHON}/{name}")


def _link_real(tree: Tree, path: str, name: str) -> None:
    for folder in ("bin", "sbin"):
        found = os.path.realpath(f"/usr/{folder}/{name}")
        # Debian's alternatives lead through /etc, which the lab's machines do not share.
        if found.startswith("/usr/") and os.path.exists(found):
            tree.link(path, LINUX + found.removeprefix("/usr"))
            return
