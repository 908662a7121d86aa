"""What the guest must have: its files, users, packages, settings and shares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from clawkeep import declared, keys, state
from clawkeep.audit.check import Check, Machine
from clawkeep.audit.scene import Scene, pinned
from clawkeep.declaration import certificates
from clawkeep.hostkeys import parse
from clawkeep.model import Keep
from clawkeep.model.mount import SHARED_FOLDER
from clawkeep.render.clients import client_files
from clawkeep.render.hosts import MARK, hosts_block
from clawkeep.render.proxy import ENV_FILE, env_file
from clawkeep.render.resolver import resolver_files
from connectors.pins import KEY_FILE
from roles.audit import entries
from roles.audit.host import formula
from roles.base import account
from roles.base.guestfiles import IMAGE_USER, guest_files
from roles.bundle import File
from roles.network.clients import MODE
from roles.network.egress import guest_variables
from roles.pip_tools import VENV

GUEST = Machine.GUEST
SSHD = ("passwordauthentication no", "kbdinteractiveauthentication no", "permitrootlogin no")


def checks(keep: Keep, scene: Scene) -> Iterator[Check]:
    """Yield the checks of the guest that do not concern the agent."""
    yield from _access(keep, scene)
    yield from _accounts(keep)
    yield from _settings(keep)
    yield from _names(keep, scene)
    yield from _packages(keep)
    yield from _shares(keep)


def _access(keep: Keep, scene: Scene) -> Iterator[Check]:
    guest = keep.guest
    folder = state.folder(scene.host, guest.name)
    there = (Path(folder) / "id_ed25519").exists()
    line = keys.ensure(folder, f"clawkeep@{guest.name}").public_line if there else ""
    why = "" if there else "the operator's key is not on this machine: run the base phase first"
    yield from entries.of(GUEST, guest_files(guest, line), unknown=why)
    for user in (IMAGE_USER, guest.user):
        path = f"/Users/{user}/.ssh/authorized_keys"
        yield Check(
            GUEST, "lines", f"keys of {user}", "the operator's key alone",
            {"path": path, "lines": [line]}, why,
        )  # fmt: skip
    key = pinned(scene.host, guest.name)
    yield Check(
        GUEST, "prints", "host key", "as pinned",
        {"command": f"cut -d ' ' -f 1,2 {KEY_FILE}", "pattern": re.escape(key or "")},
        "" if key else "no host key is pinned on this machine",
    )  # fmt: skip
    users = [f"allowusers {user}" for user in (IMAGE_USER, guest.user)]
    yield Check(
        GUEST, "prints", "sshd", "keys only, no root, nobody but its two users",
        {"command": "/usr/sbin/sshd -T", "has": [*SSHD, *users], "well": "keys only"},
    )  # fmt: skip
    agent = ["/etc/sudoers.d/clawkeep-agent"] if keep.agent else []
    for folder_there, known in (
        ("/etc/ssh/sshd_config.d", ["010-clawkeep.conf", "100-macos.conf"]),
        ("/etc/sudoers.d", ["clawkeep", "admin-nopasswd"]),
    ):
        own = [f"{folder_there}/{name}" for name in known]
        yield Check(
            GUEST, "nothing-else", folder_there, "ours and the image's, nothing else",
            {"folders": [folder_there], "known": [*own, *agent]},
        )  # fmt: skip


def _accounts(keep: Keep) -> Iterator[Check]:
    user = keep.guest.user
    for name in (IMAGE_USER, user):
        says = f"with the home /Users/{name}"
        yield Check(GUEST, "user", name, says, {"user": name, "home": f"/Users/{name}"})
    yield Check(
        GUEST, "group", "admin", f"root, {IMAGE_USER} and {user}, nobody else",
        {"group": "admin", "members": ["root", IMAGE_USER, user]},
    )  # fmt: skip
    agents = keep.agent.agent_users if keep.agent else ()
    yield Check(
        GUEST, "users", "people", "the image's user, the agent's, and those that agents run as",
        {"known": [IMAGE_USER, user, *agents]},
    )  # fmt: skip


def _settings(keep: Keep) -> Iterator[Check]:
    user = keep.guest.user
    yield Check(
        GUEST, "prints", "automatic login", f"of {user}",
        {"command": f"defaults read {account.LOGIN_WINDOW} autoLoginUser", "pattern": user},
    )  # fmt: skip
    yield entries.secret(GUEST, "/etc/kcpassword", "root")
    yield Check(
        GUEST, "prints", "the image's public password", "refused",
        {"command": "if dscl . -authonly admin admin >/dev/null 2>&1; then echo taken; "
                    "else echo refused; fi", "pattern": "refused"},
    )  # fmt: skip
    read = "; ".join(f"defaults read {account.UPDATES} {key}" for key in account.UPDATE_KEYS)
    yield Check(
        GUEST, "prints", "automatic updates", "off",
        {"command": f"{{ {read}; }} | tr -d '\\n'", "pattern": "0" * len(account.UPDATE_KEYS)},
    )  # fmt: skip


def _names(keep: Keep, scene: Scene) -> Iterator[Check]:
    why = scene.why_no_link
    if scene.link is None:
        for what in ("names of the services", "clients", "proxy"):
            yield Check(GUEST, "lines", what, "as declared", {}, why)
        return
    gateway, home = scene.link.gateway, f"/Users/{keep.guest.user}"
    by_file = keep.services if keep.decisions.dns == "hosts" else ()
    block = hosts_block(by_file, gateway).splitlines()
    yield Check(
        GUEST, "lines", "names of the services", f"{max(0, len(block) - 1)} names, at the gateway",
        {"path": "/etc/hosts", "lines": block, "mark": MARK},
    )  # fmt: skip
    pins = parse(scene.pins)
    cas = certificates(keep, declared.allowlist().parent)
    files = [
        File(f"{home}/{path}", text.encode(), MODE, keep.guest.user, "staff")
        for path, text in client_files(keep.services, gateway, pins, cas).items()
    ]
    if keep.decisions.dns == "resolver":
        named = resolver_files(keep.services, gateway)
        files += [File(path, text.encode()) for path, text in named.items()]
    if variables := guest_variables(keep, str(gateway)):
        files.append(File(ENV_FILE, env_file(variables).encode()))
    yield from entries.of(GUEST, files)


def _packages(keep: Keep) -> Iterator[Check]:
    for name in (*keep.guest.packages, *keep.guest.tapped):
        yield formula(GUEST, name)
    for tool in keep.guest.pip_tools:
        name, _, version = tool.partition("==")
        metadata = f"{re.sub('[-.]+', '_', name)}-{version or '*'}.dist-info"
        yield Check(
            GUEST, "prints", f"pip {name}", version or "installed",
            {"command": f"ls -d {VENV}/lib/python*/site-packages/{metadata}", "status": 0},
        )  # fmt: skip


def _shares(keep: Keep) -> Iterator[Check]:
    for mount in keep.shares:
        how = "read-only" if mount.read_only else "writable"
        yield Check(
            GUEST, "share", mount.name, how, {"path": f"{SHARED_FOLDER}/{mount.name}", "is": how}
        )
