"""How a data file's `args` become the call that a role makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clawkeep.model import Egress, Guest, Keep
from clawkeep.render.plist import property_list
from clawkeep.skills import registry
from clawkeep.skills.skill import Model
from clawkeep.skills.wanted import Wanted, wanted
from roles import homebrew, launchd, pip_tools
from roles.agent import accounts, shares
from roles.base import account, hostkey, runtime, snapshot, vm
from roles.bundle import Directory, File, bundle
from roles.network import bridges, clients, egress, guard, hostkeys, names, resolver
from roles.operations import alerts, backup
from roles.reachable import reachable
from roles.skills import configure, install, models
from tests.operations.enforcement import keep_of, policy

Args = Mapping[str, Any]


def _entry(data: Mapping[str, str]) -> File | Directory:
    if "content" in data:
        return File(**{**data, "content": data["content"].encode()})  # type: ignore[arg-type]
    return Directory(**data)


def _domain(name: str) -> launchd.Domain:
    return launchd.SYSTEM if name == "system" else launchd.gui(501, "me", "/Users/me")


HOME_ASSISTANT = {"name": "home-assistant", "port": 18123, "target": "10.0.0.5:8123",
                  "kind": "http"}  # fmt: skip


def _skills(args: Args) -> tuple[Wanted, ...]:
    options = {n: registry()[n].options(**o) for n, o in args.get("skills", {}).items()}
    return wanted(Keep.model_validate({"services": [HOME_ASSISTANT], "skills": options}))


#: Data folder -> the call.
CALLS: dict[str, Callable[[Args], Any]] = {
    "bundle": lambda a: bundle(name="b", entries=[_entry(e) for e in a["entries"]]),
    "launchd.job": lambda a: launchd.job(
        name="j",
        domain=_domain(a["domain"]),
        plist=property_list(a["plist"]),
        needs=[text.encode() for text in a.get("needs", ())],
    ),
    "launchd.absent": lambda a: launchd.absent(
        name="a", domain=_domain(a["domain"]), prefix=a["prefix"], keep=a.get("keep", ())
    ),
    "operations.alerts.nobody_told": lambda _: alerts.nobody_told(name="n"),
    "homebrew.formulas": lambda a: homebrew.formulas(
        name="f", names=a["names"], at_least=a.get("at_least")
    ),
    "pip_tools.installed": lambda a: pip_tools.installed(
        name="p", tools=a["tools"], python="/opt/homebrew/bin/python3.13"
    ),
    "skills.configure.recorded": lambda a: configure.recorded(
        name="r", user="claw", skills=_skills(a)
    ),
    "skills.configure.folders": lambda a: configure.folders(
        name="f", user="claw", skills=_skills(a)
    ),
    "skills.install.npm": lambda a: install.npm(name="n", packages=a["packages"]),
    "operations.backup.libraries": lambda a: backup.libraries(name="l", lock=a["lock"]),
    "operations.backup.undeclared": lambda _: backup.undeclared(name="u"),
    "skills.models.copied": lambda a: models.copied(
        name="m", models=[Model(**model) for model in a["models"]]
    ),
    "base.vm.cloned": lambda a: vm.cloned(name="c", guest=Guest(**a["guest"])),
    "base.vm.sized": lambda a: vm.sized(name="s", guest=Guest(**a["guest"]), domain=_domain("gui")),
    "base.vm.agent": lambda a: vm.agent(
        name="a", guest="keep", domain=_domain("gui"), plist=property_list(a["plist"])
    ),
    "base.account.user": lambda a: account.user(name="u", user="claw"),
    "base.account.automatic_login": lambda a: account.automatic_login(name="l", user="claw"),
    "base.account.default_password": lambda a: account.default_password(name="d"),
    "base.account.settings": lambda a: account.settings(name="s"),
    "base.hostkey.own": lambda a: hostkey.own(name="h"),
    "base.runtime.python": lambda a: runtime.python(name="p"),
    "base.runtime.softnet": lambda a: runtime.softnet(name="s"),
    "base.snapshot.taken": lambda a: snapshot.taken(
        name="s",
        guest="keep",
        copy="keep-base",
        domain=_domain("gui"),
        digest="abc",
        image="ghcr.io/x/y",
    ),
    "network.guard.closed": lambda a: guard.closed(name="c", policy=policy(a["keep"])),
    "network.guard.policy_file": lambda a: guard.policy_file(
        name="p", keep=keep_of(a["keep"]), policy=policy(a["keep"])
    ),
    "network.guard.in_force": lambda a: guard.in_force(
        name="f", keep=keep_of(a["keep"]), policy=policy(a["keep"])
    ),
    "network.bridges.daemon_user": lambda a: bridges.daemon_user(name="u", user=a["user"]),
    "network.bridges.jobs": lambda a: bridges.jobs(name="b", keep=keep_of(a["keep"])),
    "network.bridges.listening": lambda a: bridges.listening(name="l", keep=keep_of(a["keep"])),
    "network.egress.environment": lambda a: egress.environment(
        name="e",
        keep=keep_of(a).model_copy(update={"egress": Egress.model_validate(a["egress"])}),
    ),
    "network.names.hosts": lambda a: names.hosts(name="h", services=keep_of(a["keep"]).services),
    "network.resolver.files": lambda a: resolver.files(name="r", keep=keep_of(a["keep"])),
    "network.clients.settings": lambda a: clients.settings(
        name="c", keep=keep_of(a["keep"]), cas={}
    ),
    "network.hostkeys.pinned": lambda a: hostkeys.pinned(name="k", keep=keep_of(a["keep"])),
    "agent.accounts.users": lambda a: accounts.users(name="u", user="claw", agents=a["agents"]),
    "agent.shares.fixed": lambda a: shares.fixed(
        name="s", guest=Guest.model_validate({"mounts": a["mounts"]})
    ),
    "reachable": lambda a: reachable(name="r"),
}
