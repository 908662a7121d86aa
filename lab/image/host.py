"""The lab's host as its owner leaves it: a fresh Mac mini with Homebrew and one administrator."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.keys import KeyPair
from lab.mac.brew import prefix as homebrew

from . import accounts, login, ssh, system
from .tree import Tree

OPERATOR = accounts.User("operator", 501, "Operator")
HOST_JOBS = system.LAUNCH_JOBS / "host"


@dataclass(frozen=True)
class HostIdentity:
    """What tells one lab's host from another's."""

    machine: dict[str, Any]
    keys: dict[str, KeyPair]
    operator_key: KeyPair
    bottles: Path | None


def write_host(tree: Tree, identity: HostIdentity) -> None:
    """Write the host's own layer, over the bare Mac's."""
    tree.write("/System/Lab/machine.json", json.dumps(identity.machine, indent=1) + "\n")
    for folder in ("disks", "images"):
        tree.make(f"/System/Lab/{folder}")
    accounts.write_accounts(tree, OPERATOR)
    rule = f"{OPERATOR.name} ALL=(ALL) NOPASSWD: ALL\n"
    tree.write(f"/private/etc/sudoers.d/{OPERATOR.name}", rule, mode=0o440)
    login.write_home(tree, OPERATOR)
    login.write_auto_login(tree, OPERATOR, login.kcpassword("operator"))
    folder = f"{OPERATOR.home}/.ssh"
    tree.make(folder, mode=0o700, owner=OPERATOR.owner)
    tree.write(
        f"{folder}/authorized_keys",
        f"{identity.operator_key.public}\n",
        mode=0o600,
        owner=OPERATOR.owner,
    )
    tree.write("/private/etc/paths.d/homebrew", "/opt/homebrew/bin\n")
    tree.write("/private/var/run/resolv.conf", "nameserver 10.0.10.1\n")
    ssh.write_host_keys(tree, identity.keys)
    system.write_jobs(tree, HOST_JOBS)
    homebrew.populate(tree.folder, *OPERATOR.owner, [], bottles=identity.bottles)
