"""One word of NanoClaw's command line, and who answers it."""

from __future__ import annotations

import os
import sys

from roles.agent.guest.runtime import answers, inside, settings, supervisor
from roles.agent.guest.runtime.settings import Refused, account

INSIDE = {"__agent": (inside.start, 1), "__signal": (inside.send, 2), "__end": (inside.end, 2)}
_SIGNALS = (*answers.SIGNALS, "all", "group")


def main(argv: list[str]) -> int:
    """Answer one call; `argv[0]` is the name that it was called by. Returns the exit status."""
    called = os.path.basename(argv[0])
    apple = called == "container"
    try:
        return _answer(argv[1:], apple)
    except Refused as refused:
        sys.stderr.write(f"{called}: {refused}\n")
        # Apple's tool ends with EX_USAGE for what it does not know.
        return 64 if apple and refused.status == 125 else refused.status
    except BrokenPipeError:
        return 141
    except OSError as error:
        sys.stderr.write(f"{called}: {error}\n")
        return 125


def _answer(words: list[str], apple: bool) -> int:
    if words and words[0] in INSIDE:
        act, count = INSIDE[words[0]]
        if len(words) != count + 1 or (count == 2 and words[2] not in _SIGNALS):
            raise Refused(f"{words[0]}: is not for people")
        return act(settings.load(), *words[1:])  # type: ignore[operator]
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb in ("container", "system") and rest and not apple:
        verb, rest = (rest[0], rest[1:]) if verb == "container" else (verb, rest)
    if verb in ("version", "--version", "-v"):
        return answers.version(settings.load(), rest)
    known = settings.load()
    if os.getuid() != account(known.user).pw_uid:
        raise Refused(f"only {known.user} may run agents")
    if verb == "system":
        return _system(known, rest)
    if verb in ("ps", "ls", "list"):
        return answers.list_runs(known, rest, apple)
    verbs = {
        "run": supervisor.run,
        "info": answers.info,
        "inspect": answers.inspect,
        "stop": answers.stop,
        "kill": answers.kill,
        "rm": answers.remove,
        "delete": answers.remove,
    }
    if verb not in verbs:
        raise Refused(
            f"{verb!r} is no command of the direct runtime: it runs agents, no containers"
        )
    return verbs[verb](known, rest)


def _system(known: settings.Settings, words: list[str]) -> int:
    """Answer Apple Container's `system status` and `system start`: there is no service to start."""
    if words[:1] not in (["status"], ["start"], ["info"]):
        raise Refused(f"system {' '.join(words)!r} is no command of the direct runtime")
    answers.info(known, [])
    print("apiserver is running")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
