"""How a data file's `args` become the call that a role makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clawkeep.model import Guest, Host, Keep, Service
from clawkeep.render.plist import property_list
from roles import homebrew, launchd
from roles.base import account, hostkey, runtime, snapshot, vm
from roles.bundle import Directory, File, bundle
from roles.network import anchor, bridges, names
from roles.reachable import reachable

Args = Mapping[str, Any]


def _entry(data: Mapping[str, str]) -> File | Directory:
    if "content" in data:
        return File(**{**data, "content": data["content"].encode()})  # type: ignore[arg-type]
    return Directory(**data)


def _domain(name: str) -> launchd.Domain:
    return launchd.SYSTEM if name == "system" else launchd.gui(501, "me", "/Users/me")


def _keep(data: Mapping[str, Any]) -> Keep:
    services = tuple(Service.model_validate(service) for service in data["services"])
    return Keep(services=services, guest=Guest(name="keep"), host=Host(**data.get("host", {})))


def _bridge(a: Args) -> None:
    keep = _keep(a["keep"])
    bridges.bridge(name="b", service=keep.services[0], keep=keep)


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
    "homebrew.formulas": lambda a: homebrew.formulas(
        name="f", names=a["names"], at_least=a.get("at_least")
    ),
    "homebrew.pip_tools": lambda a: homebrew.pip_tools(
        name="p", tools=a["tools"], python="/opt/homebrew/bin/python3.13"
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
    "network.anchor.closed": lambda a: anchor.closed(name="c"),
    "network.anchor.live": lambda a: anchor.live(name="l", keep=_keep(a["keep"])),
    "network.bridges.daemon_user": lambda a: bridges.daemon_user(name="u", user=a["user"]),
    "network.bridges.bridge": _bridge,
    "network.bridges.listening": lambda a: bridges.listening(name="l", keep=_keep(a["keep"])),
    "network.names.hosts": lambda a: names.hosts(name="h", services=_keep(a["keep"]).services),
    "reachable": lambda a: reachable(name="r"),
}
