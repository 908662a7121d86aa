"""Asks the host and the guest what is newer, at the same time, and changes nothing.

The guest's brew is asked for what it would upgrade, with an empty cache of its own so that it must
ask what there is today. For that the window is open, to Homebrew alone.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any

from pyinfra.api.exceptions import PyinfraError

from clawkeep import survey
from clawkeep.agent.guest import NotRunningError, inside
from clawkeep.model import Keep
from clawkeep.onhost.plain import plain
from clawkeep.profiles import HOMEBREW
from clawkeep.target import Target
from clawkeep.transport import HostSession, TransportError
from clawkeep.updates import host, parse
from clawkeep.updates.update import KINDS, Plan, Update
from connectors.window import Window

GUEST_S = 330.0


def program(question: Mapping[str, Any]) -> str:
    """Return the text of the guest's program with its question."""
    text = (resources.files("clawkeep.updates") / "inside.py").read_text(encoding="utf-8")
    return f"{text}\nmain({json.dumps(json.dumps(dict(question)))})\n"


def gather(keep: Keep, target: Target) -> Plan:
    """Return all updates. Never raises for a machine that is not well: what it says is missing."""
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(_host, keep, target)
        inner = pool.submit(_guest, keep, target)
        (answers, host_error), (said, unknown) = asking.result(), inner.result()
    found: list[Update | str] = list(unknown)
    if host_error:
        found.append(f"macos, image, npm, pip, nanoclaw: {host_error}")
    else:
        found += host.read(keep, answers, _facts(said))
    found += _brew(said)
    updates = [one for one in found if isinstance(one, Update)]
    updates.sort(key=lambda one: (KINDS.index(one.kind), one.name, one.available))
    return Plan(keep.guest.name, tuple(updates), tuple(o for o in found if isinstance(o, str)))


def _host(keep: Keep, target: Target) -> tuple[dict[str, str], str]:
    try:
        session = HostSession(target)
        try:
            text = session.run(host.script(host.questions(keep)), host.LIMIT_S + 20)
        finally:
            session.close()
    except (TransportError, OSError) as error:
        return {}, str(error)
    return survey.split(text), ""


def _guest(keep: Keep, target: Target) -> tuple[dict[str, Any], list[str]]:
    question = {"do": "outdated"}
    if keep.decisions.install_from == "cache":
        lacks = ["brew: the guest is built from the host's cache; clawkeep cache fill --refresh"]
        try:
            with inside(keep, target) as guest:
                return guest.login(program(question), GUEST_S), lacks
        except (NotRunningError, TransportError, OSError) as error:
            return {}, [f"the guest: {error}"]
    try:
        with window(target) as proxy, inside(keep, target) as guest:
            return guest.login(program(question | {"proxy": proxy}), GUEST_S), []
    except (NotRunningError, TransportError, OSError, PyinfraError) as error:
        return {}, [f"brew: the guest could not be asked: {error}"]


@contextlib.contextmanager
def window(target: Target) -> Iterator[str]:
    """Open the way to Homebrew for the guest as long as the block runs; yield the proxy's address.

    Raises TransportError, PyinfraError.
    """
    session = HostSession(target)
    try:
        with Window(session.connection, HOMEBREW) as opened:
            yield opened.proxy
    finally:
        session.close()


def _brew(said: Mapping[str, Any]) -> list[Update | str]:
    answer = said.get("brew")
    if not isinstance(answer, dict):
        return []
    if answer.get("status") != 0:
        words = plain(str(answer.get("err", ""))[-300:].strip(), 300)
        return [f"brew: it failed in the guest: {words or 'without a word'}"]
    try:
        return list(parse.brew_outdated(str(answer.get("out", ""))))
    except parse.UnreadableError as error:
        return [f"brew: {error}"]


def _facts(said: Mapping[str, Any]) -> dict[str, str]:
    """Return what the guest says of itself, as far as it is text."""
    facts = {name: plain(str(said.get(name, "")), 80) for name in ("macos", "release")}
    tools = said.get("pip")
    for name, version in tools.items() if isinstance(tools, dict) else ():
        facts[f"pip {plain(str(name), 80)}"] = plain(str(version), 80)
    return facts
