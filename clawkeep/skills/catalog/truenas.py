"""The file server over SSH, with a key of its own.

Where it is and whose host key counts stands in ~/.ssh/config.d/clawkeep, which the network phase
renders from the pinned key; here come the user's key and a command that takes both.
"""

from __future__ import annotations

from collections.abc import Mapping

from clawkeep.render.clients import KNOWN_HOSTS, SSH_CONFIG
from clawkeep.skills.agents import AgentFile, ForAgents
from clawkeep.skills.skill import (
    PROGRAMS,
    Options,
    Ref,
    Scene,
    SecretText,
    Skill,
    Wants,
    Word,
)
from clawkeep.skills.tools import Failed, Tools

WRAPPER = """#!/bin/sh
# Written by clawkeep: ssh to {name} with the key of this skill, and no other.
# By $HOME, which is not an agent's home to ssh: that asks the directory, not the environment.
exec /usr/bin/ssh -F "$HOME/{config}" -o UserKnownHostsFile="$HOME/{known}" \\
  -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \\
  -o ConnectTimeout=10 -i "$HOME/{key}" -l {user} {name} "$@"
"""
GUIDE = """\
`truenas COMMAND` runs a command on the file server; nothing is typed there.

    truenas zpool status
    truenas zfs list -o name,used,avail

It acts on real data: only look, unless you were asked to change something in so many words.
"""


class Truenas(Options):
    """`service` names the door; `user` logs in with `key`, a private key without a passphrase."""

    user: Word
    key: Ref
    service: Word = "truenas-ssh"
    command: str = "uptime"


def wants(options: Truenas, scene: Scene) -> Wants:
    """Return the key and the command `truenas`."""
    door = scene.door(options.service, "ssh", "18022 truenas.lan:22")
    path = f".ssh/skill-{door.name}"

    def key(secrets: Mapping[str, str]) -> str:
        return f"{secrets['key'].strip()}\n"

    text = WRAPPER.format(
        name=door.name, key=path, user=options.user, config=SSH_CONFIG, known=KNOWN_HOSTS
    )
    return Wants(
        programs={f"{PROGRAMS}/truenas": text},
        secrets={"key": options.key},
        secret_files=(SecretText(path, key),),
        doors=(door.name,),
        agents=ForAgents(
            "The file server (TrueNAS) over SSH: pools, datasets, shares, disks.",
            GUIDE,
            programs=("truenas",),
            files=(AgentFile(SSH_CONFIG), AgentFile(KNOWN_HOSTS), AgentFile(path)),
        ),
        question={
            "program": f"{PROGRAMS}/truenas",
            "key": path,
            "name": door.name,
            "command": options.command,
        },
    )


def probe(tools: Tools) -> str:
    """Log in, past the pinned host key, and run the declared command."""
    tools.secret(tools.question["key"])
    name, command = tools.question["name"], tools.question["command"]
    settings = tools.run("/usr/bin/ssh", "-G", name).out.splitlines()
    if f"hostkeyalias {name}" not in settings or "stricthostkeychecking true" not in settings:
        raise Failed(f"ssh does not pin the key of {name}; clawkeep apply network")
    done = tools.run(tools.question["program"], command)
    if done.status == 255:
        raise Failed("ssh: " + done.words)
    if done.status != 0:
        raise Failed(f"{name}: {command}: {done.words}")
    return f"{name}, host key as pinned: {done.words}"


SKILL = Skill("The file server over SSH, its host key pinned", Truenas, wants, probe)
