"""The command lines that NanoClaw writes, in docker's form and in Apple Container's.

What is not known is refused: an option that is ignored would be a wall that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from roles.agent.guest.runtime.settings import Refused, named

#: Options of `run` that change nothing here: there is no terminal, every run is removed, no
#: process can be root, and names like host.docker.internal are the keep's business.
_FLAGS = {"-i", "--interactive", "--rm", "--init"}
_IGNORED = {"-u", "--user", "--add-host", "-l", "--label"}
_SHORT = {"-e": "--env", "-v": "--volume", "-n": "--name"}
_READ = {"--name", "--env", "--volume", "--mount"}
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Mount(NamedTuple):
    """A folder or file of the host, and where the agent expects it."""

    source: str
    target: str
    read_only: bool


class RunArguments(NamedTuple):
    """What `run` was asked for. A variable without value is taken from the caller's own."""

    name: str
    env: tuple[tuple[str, str | None], ...]
    mounts: tuple[Mount, ...]
    image: str


def options(words: Sequence[str], flags: set[str], valued: set[str]) -> Iterator[tuple[str, str]]:
    """Yield each option with its value, then each operand as ("", operand). Raises Refused."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-") or word == "-":
            yield from (("", operand) for operand in (word, *rest))
            return
        if word in flags:
            yield word, ""
        elif name in valued and equals:
            yield name, value
        elif word in valued:
            if not rest:
                raise Refused(f"flag needs an argument: {word}")
            yield word, rest.pop(0)
        elif word[:2] in valued and not word.startswith("--"):
            yield word[:2], word[2:]
        else:
            raise Refused(f"unknown flag: {name}: the direct runtime does not know it")


def run_arguments(words: Sequence[str]) -> RunArguments:
    """Read the words after `run`. Raises Refused."""
    names, env, mounts, operands = [], [], [], []
    for option, value in options(words, _FLAGS, _IGNORED | _READ | set(_SHORT)):
        known = _SHORT.get(option, option)
        if known == "--name":
            names.append(named(value))
        elif known == "--env":
            env.append(_variable(value))
        elif known == "--volume":
            mounts.append(_volume(value))
        elif known == "--mount":
            mounts.append(_mount(value))
        elif not option:
            operands.append(value)
    if len(names) != 1:
        raise Refused("run: exactly one --name is needed")
    if len(operands) != 1:
        raise Refused("run: exactly one image and no command; NanoClaw v2 cannot run here")
    return RunArguments(names[0], tuple(env), tuple(mounts), operands[0])


def redacted(words: Sequence[str]) -> list[str]:
    """Return a command line that may be logged: without the values of variables."""
    shown, follows = [], False
    for word in words:
        if follows:
            shown.append(word.partition("=")[0] + "=*" if "=" in word else word)
        elif word.startswith(("-e", "--env=")) and word != "-e":
            option = "--env=" if word.startswith("--env=") else word[: 3 if word[2:3] == "=" else 2]
            shown.append(option + word[len(option) :].partition("=")[0] + "=*")
        else:
            shown.append(word)
        follows = not follows and word in ("-e", "--env")
    return shown


def _variable(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not _ENV.fullmatch(name):
        raise Refused("--env: a variable's name is letters, digits and underscores")
    return name, value if equals else None


def _volume(text: str) -> Mount:
    parts = text.split(":")
    if len(parts) not in (2, 3) or (len(parts) == 3 and parts[2] not in ("ro", "rw")):
        raise Refused(f"--volume {text!r}: must be source:target, source:target:ro or …:rw")
    return _checked(parts[0], parts[1], parts[2:] == ["ro"])


def _mount(text: str) -> Mount:
    found: dict[str, str] = {}
    for field in text.split(","):
        key, equals, value = field.partition("=")
        key = {"src": "source", "destination": "target", "dst": "target", "ro": "readonly"}.get(
            key, key
        )
        if key in found or (key == "readonly") == bool(equals):
            raise Refused(f"--mount {text!r}: {field!r} is not understood")
        found[key] = value
    if found.keys() - {"readonly"} != {"type", "source", "target"} or found["type"] != "bind":
        raise Refused(f"--mount {text!r}: must be type=bind,source=…,target=…[,readonly]")
    return _checked(found["source"], found["target"], "readonly" in found)


def _checked(source: str, target: str, read_only: bool) -> Mount:
    for path in (source, target):
        if not path.startswith("/") or any(c < " " or c == "\x7f" for c in path):
            raise Refused(f"mount: {path!r} is no absolute path")
    if any(part in ("", ".", "..") for part in target.split("/")[1:]) or ":" in source + target:
        raise Refused(f"mount: {target!r} must be written plainly, without `.`, `..`, `:`")
    return Mount(source, target, read_only)
