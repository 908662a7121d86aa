"""Egress by name: which registries the host's tools use, and what the guest's programs are told.

The proxy itself is the host's (clawkeep/onhost/proxy.py); the guard starts it from the policy.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError

from clawkeep.declaration import door_of, egress_of
from clawkeep.domains import domain, minimal
from clawkeep.model import Keep
from clawkeep.policy import Openings, Policy
from clawkeep.render.proxy import ENV_FILE, claude_settings, env_file, proxy_environment
from roles.bundle import File, install
from roles.network.gateway import ASK, NoGatewayError, gateway
from roles.pip_tools import INDEX
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

# npm may not be on the host; what it would read is (user's file first, then the prefix's).
NPM = r"""export PATH=/opt/homebrew/bin:$PATH
for n in /opt/homebrew/bin/npm /opt/homebrew/opt/node*/bin/npm; do
  [ -x "$n" ] || continue
  PATH=$(dirname "$n"):$PATH "$n" config get registry; exit
done
cat "$HOME/.npmrc" /opt/homebrew/etc/npmrc 2>/dev/null |
  sed -n 's/^ *registry *= *//p' | head -n 1
"""


@dataclass(frozen=True)
class Registries:
    """Per profile, the hosts that its tool on the host is set to; none when it does not say."""

    hosts: dict[str, tuple[str, ...]]


def registries(keep: Keep) -> Probe[Registries]:
    """Return the probe that asks npm and pip on the host for their registries."""
    scripts = {"npm": NPM, "pip": _pip_script(keep.guest.pip_tools)}
    parts = [f"echo @@{name}; (\n{scripts[name]}\n)" for name in keep.egress.asked]
    name = f"registries {' '.join(keep.egress.asked)}"
    return Probe(name, "\n".join(parts) or ":", _registries)


def _pip_script(tools: Sequence[str]) -> str:
    names = [re.split("[=<>]", tool)[0] for tool in tools] or ["pip"]
    return INDEX.format(tools=" ".join(shlex.quote(name) for name in names))


def _registries(answer: Answer) -> Registries:
    hosts: dict[str, tuple[str, ...]] = {}
    current = ""
    for line in answer.text.splitlines():
        if line.startswith("@@"):
            current = line.removeprefix("@@")
            hosts[current] = ()
        elif current and line.strip():
            hosts[current] += _host(line.strip())
    return Registries(hosts)


def _host(text: str) -> tuple[str, ...]:
    """Return the host of an address or of `host[:443]`, nothing for what no name can stand for."""
    try:
        url = urlsplit(text if "://" in text else f"https://{text}")
        if url.scheme == "https" and url.port in {None, 443} and url.hostname:
            return (domain(url.hostname),)
    except ValueError:
        pass
    return ()


def complete(policy: Policy, keep: Keep) -> Policy:
    """Return the policy with the registries of the host's own tools; for use in an operation.

    Raises PyinfraError when a tool that a profile names does not say where its registry is.
    """
    asked = keep.egress.asked
    if not asked or not host.state.is_executing:
        return policy
    found = ask(registries(keep)).hosts
    for name in asked:
        if not found.get(name):
            raise PyinfraError(
                f"egress profile {name!r}: {name} on {host.name} names no registry with https:// "
                f"on port 443; set one there ({name} config set …), or name its host in "
                "egress.domains"
            )
    named = (*policy.egress.domains, *(one for name in asked for one in found[name]))
    return replace(policy, egress=replace(policy.egress, domains=minimal(named)))


def want_registries(keep: Keep) -> None:
    """Note that the current host will be asked for its registries, when a profile needs them."""
    if keep.egress.asked:
        want(registries(keep))


@dataclass(frozen=True)
class Told:
    """What the guest's programs are told now. `settings` are Claude's, "" when there are none."""

    gateway: str
    env: str
    settings: str


def _told(answer: Answer) -> Told:
    line, env, settings, *_ = [*f"{answer.text}\n".split("\n@@\n"), "", ""]
    return Told(line.strip(), env.strip("\n"), settings.strip("\n"))


def _state(user: str) -> Probe[Told]:
    path = shlex.quote(f"/Users/{user}/.claude/settings.json")
    return Probe(
        f"proxy environment of {user}",
        f"{ASK}; echo @@; cat {ENV_FILE}; echo; echo @@; "
        # As the user: a link of theirs must not show them what is root's.
        f"sudo -u {user} cat {path}; true",
        _told,
        sudo=True,
    )


def environment(name: str, keep: Keep) -> None:
    """Have the guest's shells and Claude know the proxy in mode `domains`, and not otherwise."""
    want(_state(keep.guest.user))
    _environment(name=name, keep=keep)


@operation()
def _environment(keep: Keep) -> Generator[StringCommand, None, None]:
    user = keep.guest.user
    now = ask(_state(user))
    try:
        variables = guest_variables(keep, now.gateway)
    except NoGatewayError as error:
        yield change('echo "$1" >&2; exit 1', str(error))
        return
    text = env_file(variables) if variables else ""
    try:
        settings = claude_settings(now.settings, variables)
    except ValueError as error:
        why = (
            f"{host.name}: ~{user}/.claude/settings.json cannot be read as JSON ({error}); mend it"
        )
        yield change('echo "$1" >&2; exit 1', why)
        return
    if now.env == text.strip("\n") and settings == now.settings:
        host.noop("programs know the proxy" if variables else "there is no proxy to know of")
        return
    if now.env != text.strip("\n"):
        told(ENV_FILE, *(("proxy of the keep",) if text else ("removed", "-")))
    if settings != now.settings:
        told(f"~{user}/.claude/settings.json", "env")
    if now.env != text.strip("\n"):
        yield (
            install([File(ENV_FILE, text.encode())])
            if text
            else change(f"rm -f {ENV_FILE}", sudo=True)
        )
    if settings != now.settings:
        yield change(WRITE_SETTINGS, user, sudo=True, stdin=settings)


def guest_variables(keep: Keep, line: str) -> dict[str, str]:
    """Return the variables for the guest. Raises NoGatewayError when there should be any."""
    egress = egress_of(keep.egress)
    if egress.mode != "domains":
        return {}
    # That something goes by name does not end with report mode, nor begin with a registry.
    opened = Openings(doors=tuple(door_of(s) for s in keep.services), report=True)
    return proxy_environment(opened, gateway(line))


# As the user, who owns the folder: root must not write where a link of theirs leads.
WRITE_SETTINGS = r"""exec sudo -u "$1" -H sh -c 'set -eu
cd; umask 077; mkdir -p .claude
n=.claude/.settings.json.clawkeep~; rm -f "$n"; cat > "$n"; mv -f "$n" .claude/settings.json'
"""
