"""One word of NanoClaw's command line, and who answers it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

from roles.agent.guest.runtime import settings
from roles.agent.guest.runtime.settings import Refused, account

#: Verbs of an agent's own user: where each is, and how many words follow it.
INSIDE = {
    "__agent": ("inside:start", 1),
    "__signal": ("afterwards:send", 2),
    "__end": ("afterwards:end", 2),
}
#: NanoClaw's: docker's words, and Apple Container's where they differ.
VERBS = {
    "run": "supervisor:run",
    "info": "answers:info",
    "ps": "answers:list_runs",
    "ls": "answers:list_runs",
    "list": "answers:list_runs",
    "inspect": "answers:inspect",
    "stop": "orders:stop",
    "kill": "orders:kill",
    "rm": "orders:remove",
    "delete": "orders:remove",
}


def main(argv: list[str]) -> int:
    """Answer one call; `argv[0]` is the name that it was called by. Returns the exit status."""
    called = os.path.basename(argv[0])
    try:
        return _answer(argv[1:], called)
    except Refused as refused:
        sys.stderr.write(f"{called}: {refused}\n")
        # Apple's tool ends with EX_USAGE for what it does not know.
        return 64 if called == "container" and refused.status == 125 else refused.status
    except BrokenPipeError:
        return 141
    except OSError as error:
        sys.stderr.write(f"{called}: {error}\n")
        return 125


def _answer(words: list[str], called: str) -> int:
    verb, rest = (words[0], words[1:]) if words else ("", [])
    known = settings.load()
    if verb in INSIDE:
        where, count = INSIDE[verb]
        if len(rest) != count:
            raise Refused(f"{verb}: is not for people")
        return _find(where)(known, *rest)
    if verb == "container" and called != "container" and rest:
        verb, rest = rest[0], rest[1:]  # `docker container ls`
    if verb in ("version", "--version", "-v"):
        return _find("answers:version")(known, rest)
    if os.getuid() != account(known.user).pw_uid:
        raise Refused(f"only {known.user} may run agents")
    if verb == "system":
        # There is no service to start; Apple's tool asks for its own.
        if rest[:1] not in (["status"], ["start"], ["info"]):
            raise Refused(f"system {' '.join(rest)!r} is no command of the direct runtime")
        return _find("answers:info")(known, [])
    if verb not in VERBS:
        raise Refused(f"{verb!r} is no command of the direct runtime: it runs agents, nothing else")
    where = VERBS[verb]
    if where == "answers:list_runs" and called == "container":
        where = "answers:list_runs_apple"
    return _find(where)(known, rest)


def _find(where: str) -> Callable[..., int]:
    """Import who answers, and nobody else: an agent waits for us."""
    module, _, name = where.partition(":")
    found: Callable[..., int] = getattr(
        importlib.import_module(f"roles.agent.guest.runtime.{module}"), name
    )
    return found
