"""NanoClaw's releases: built in the guest by its own program, from a full commit.

The program (`guest/checkout.py`) runs as the service user and works out the release's name from
what is really there. From here it is told what is declared, and asked what there is: a release
that was built from an equal declaration, for the Node and the machine of now, needs nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError

from clawkeep.cache.wants import SOURCE
from clawkeep.domains import domain
from clawkeep.model import Agent, Keep
from clawkeep.profiles import GITHUB
from connectors.tart import TartConnector
from roles import cache
from roles.agent.runtime import LIBEXEC, PYTHON, channel_sources
from roles.homebrew import provisioning_window
from roles.network.egress import NPM
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

PROGRAM = f"{LIBEXEC}/checkout.py"
RELEASE = re.compile(r"[0-9a-f]{12}-[0-9a-f]{8}")


@dataclass(frozen=True)
class Releases:
    """What the guest's program says; all of it comes from the service user, so it is checked."""

    complete: dict[str, dict[str, Any]] = field(default_factory=dict)
    active: str | None = None
    node: dict[str, str] | None = None
    changed: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    known: bool = False

    def built(self, digest: str) -> str | None:
        """Return the release that fits the declaration and this machine's Node, if there is one."""
        for name, record in self.complete.items():
            abi = record.get("node", {}).get("abi")
            fits = self.node == {"abi": abi, "arch": record.get("arch")}
            if record.get("spec") == digest and fits:
                return name
        return None


def _releases(answer: Answer) -> Releases:
    try:
        data = json.loads(answer.text)
        complete = {
            name: record for name, record in data["releases"].items() if RELEASE.fullmatch(name)
        }
        active = data["active"].get("id")
        return Releases(
            complete,
            active if active in complete else None,
            data["node"],
            tuple(map(str, data["dirty"])),
            tuple(map(str, data["folders"])),
            known=True,
        )
    except (ValueError, KeyError, AttributeError, TypeError):
        return Releases()


def releases(keep: Keep, agent: Agent) -> Probe[Releases]:
    """Return the probe that asks the guest for its releases; nothing is known without a program."""
    user, node = keep.guest.user, agent.release_profile.node
    script = f"sudo -n -u {user} -H {PYTHON} {PROGRAM} status {node}"
    return Probe(f"releases for {node}", script, _releases, sudo=True)


def specification(agent: Agent) -> dict[str, Any]:
    """Return what the guest's program is told to build, with a digest of it all.

    Equal digests mean equal releases. What the build only passes through (the proxy of the window,
    the registry) is added when it runs.
    """
    profile = agent.release_profile
    sources = channel_sources() if profile.local_channel == "socket" else {}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sources.items()}
    spec = {
        "profile": profile.name,
        "version": profile.version,
        "label": profile.label,
        "repository": agent.source,
        "commit": agent.pin,
        "skills": [_skill(skill.model_dump(exclude_none=True)) for skill in agent.skills],
        "node": profile.node,
        "node_major": profile.node_major,
        "git_rewrites": dict(profile.git_rewrites),
        "channel": digests or None,
    }
    text = json.dumps(spec, sort_keys=True)
    return spec | {"digest": hashlib.sha256(text.encode()).hexdigest()}


def _skill(skill: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(skill.items()))


def built(name: str, keep: Keep, agent: Agent) -> None:
    """Have a complete release of what is declared; the active one stays as it is, or the run ends.

    A release that somebody changed by hand is refused: what runs is a commit, or a skill's.
    """
    want(releases(keep, agent))
    _built(name=name, keep=keep, agent=agent)


@operation()
def _built(keep: Keep, agent: Agent) -> Generator[StringCommand, None, None]:
    there = ask(releases(keep, agent))
    spec = specification(agent)
    if there.changed:
        yield refuse(
            f"{host.name}: release {there.active} was changed since it was built: "
            f"{'; '.join(there.changed[:5])}. Put it back, or make the change a skill: nothing is "
            "built over it"
        )
        return
    release = there.built(spec["digest"])
    if release and not there.folders:
        host.noop(f"release {release} is there")
        return
    told("NanoClaw", _why(there, release, spec))
    if stock := cache.declared(keep):
        found = cache.items(cache.keys(stock, "source", [SOURCE]))
        files = [(item.sha256, item.place, item.title) for item in found]
        cached = {"share": cache.SHARE, "files": files}
        yield as_user(keep, "build", stdin=json.dumps(spec | {"cache": cached}))
        return
    registry = npm_registry() if host.state.is_executing else ""
    with provisioning_window(build_domains(agent, registry)) as window:
        spec |= {"registry": registry, "proxy": window.proxy if window else ""}
        yield as_user(keep, "build", stdin=json.dumps(spec))


def _why(there: Releases, release: str | None, spec: dict[str, Any]) -> str:
    if release:
        return f"folders: {', '.join(there.folders)}"
    for record in there.complete.values():
        if record.get("spec") == spec["digest"]:
            return "Node or machine changed since it was built"
    return f"{spec['version']} at {spec['commit'][:12]}"


def build_domains(agent: Agent, registry: str) -> tuple[str, ...]:
    """Return what a build reaches: GitHub (addons, git dependencies), the sources, the registry."""
    addresses = [agent.source, *(skill.repository or "" for skill in agent.skills), registry]
    hosts = [urlsplit(address).hostname or "" for address in addresses]
    return tuple(dict.fromkeys((*GITHUB, *(name for name in hosts if name))))


def npm_registry() -> str:
    """Ask the host's npm which registry it is set to.

    Asked on the host, never in the guest: a guest that could name the registry could name any host.
    Raises PyinfraError when it names none, or one that the window cannot lead to.
    """
    connector = host.connector
    if not isinstance(connector, TartConnector):
        raise TypeError("NanoClaw is built in guests")
    text = connector.on_host.ask(f"({NPM})\ntrue").strip()
    if not text:
        raise PyinfraError(
            "npm on the host names no registry, so the guest cannot install from it; write "
            "registry=https://… into ~/.npmrc there"
        )
    url = urlsplit(text)
    if "@" in url.netloc:
        raise PyinfraError(
            "the host's npm registry has credentials in its address, and every package of it would "
            "be the guest's to read; set npm on the host to one without (npm config set registry …)"
        )
    if not _leads_there(url):
        raise PyinfraError(
            f"the host's npm is set to the registry {text!r}: expected https:// on port 443"
        )
    return text


def _leads_there(url: SplitResult) -> bool:
    try:
        domain(url.hostname or "")
        port = url.port
    except ValueError:
        return False
    return url.scheme == "https" and port in {None, 443}


def as_user(keep: Keep, *arguments: str, stdin: str | None = None) -> StringCommand:
    """Return the command that runs the guest's program as the service user."""
    return change(
        f'exec sudo -n -u "$1" -H {PYTHON} {PROGRAM} "$2" "$3"',
        keep.guest.user,
        *(*arguments, "", "")[:2],
        sudo=True,
        stdin=stdin,
    )


def refuse(text: str) -> StringCommand:
    """Return a command that fails with `text`."""
    return change('echo "$1" >&2; exit 1', text)
