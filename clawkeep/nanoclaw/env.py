"""NanoClaw's settings: which there are, where each is read, and the `.env` that says them.

NanoClaw reads some keys from its `.env` and the others from the process's environment alone: one
in the wrong place does nothing, without a word (reference/nanoclaw.md §1.4).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from clawkeep.secrets.secret import Secret

Where = Literal[".env", "process", "credentials"]
"""Where a key takes effect: the file, the launchd job's environment, or the file from which the
runtime hands the agent its credentials."""

Kind = Literal["str", "int", "bool", "choice"]
Value = str | int | bool | Secret

CREDENTIALS: Final = ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")
"""The model's credentials; NanoClaw wants one of them."""

QUOTES: Final = ("'", '"')


@dataclass(frozen=True, slots=True)
class Key:
    """One setting of a NanoClaw version. `choices` belong to the kind "choice" alone.

    Raises ValueError for a secret in the process's environment: a launchd job's plist is there
    for all to read.
    """

    name: str
    where: Where
    kind: Kind = "str"
    secret: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.secret and self.where == "process":
            raise ValueError(f"{self.name}: no secret fits into the process's environment")
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError(f"{self.name}: choices and the kind 'choice' belong together")


class EnvProblem(NamedTuple):
    """What is wrong with the value of `name`; an empty name means all of them together."""

    name: str
    message: str


@dataclass(frozen=True)
class Placement:
    """Values by where they take effect; written as NanoClaw reads them."""

    dotenv: dict[str, str | Secret] = field(default_factory=dict)
    process: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, Secret] = field(default_factory=dict)


def validate(
    values: Mapping[str, Value],
    keys: Iterable[Key],
    *,
    secrets: Collection[str] = (),
    into: Where | None = None,
) -> tuple[EnvProblem, ...]:
    """Return all that is wrong with `values`, in their order; nothing means they may be written.

    `secrets` are the names whose values are not known yet, such as references. With `into`, all
    of it is meant for that place; without, each key goes where it is read. No message shows the
    value of a secret.
    """
    known = {key.name: key for key in keys}
    found: list[EnvProblem] = []
    for name in (*values, *(name for name in secrets if name not in values)):
        key = known.get(name)
        problem = _unknown(name, known) if key is None else _misplaced(key, into)
        if problem is None and key is not None and name in values:
            problem = _unfit(key, values[name])
        if problem:
            found.append(EnvProblem(name, problem))
    given = {name for name in (*values, *secrets) if name in known}
    found.extend(
        EnvProblem(key.name, "is missing; add it")
        for key in known.values()
        if key.required and key.name not in given
    )
    if problem := _credentials(known, given):
        found.append(EnvProblem("", problem))
    return tuple(found)


def place(values: Mapping[str, Value], keys: Iterable[Key]) -> Placement:
    """Return `values`, which `validate` finds nothing against, by where they take effect.

    Raises KeyError for a name that no key has.
    """
    known = {key.name: key for key in keys}
    placement = Placement()
    for name, value in values.items():
        match known[name].where:
            case ".env":
                placement.dotenv[name] = value if isinstance(value, Secret) else written(value)
            case "process":
                placement.process[name] = _plain(name, value)
            case "credentials":
                placement.credentials[name] = (
                    value if isinstance(value, Secret) else Secret(written(value))
                )
    return placement


def render_env(values: Mapping[str, Value]) -> Secret:
    """Return the text of an `.env` from which NanoClaw reads exactly `values`, in their order.

    Raises ValueError, without the value, for one that cannot be said there: `validate` finds
    these before.
    """
    lines = []
    for name, value in values.items():
        text = value.reveal() if isinstance(value, Secret) else written(value)
        if problem := _unsayable(text):
            raise ValueError(f"{name} {problem}")
        lines.append(f"{name}={_quoted(text)}\n")
    return Secret("".join(lines))


def written(value: str | int | bool) -> str:
    """Return a value as NanoClaw compares it: `true` and `false` in small letters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _plain(name: str, value: Value) -> str:
    if isinstance(value, Secret):
        raise TypeError(f"{name}: no secret fits into the process's environment")
    return written(value)


def _quoted(text: str) -> str:
    """Return `text` so that readEnvFile's trimming and its one layer of quotes leave it whole.

    It takes a pair of equal quotes off the ends and looks at nothing between them: there are no
    escapes.
    """
    if text.isascii() and text.strip() == text and not text.startswith((*QUOTES, "#")):
        return text
    return f'"{text}"' if "'" in text else f"'{text}'"


def _unknown(name: str, known: Mapping[str, Key]) -> str:
    near = difflib.get_close_matches(name.upper().replace("-", "_"), known, n=1, cutoff=0.6)
    if near:
        return f"unknown key; did you mean {near[0]!r}?"
    return f"unknown key; known are {', '.join(known)}"


def _misplaced(key: Key, into: Where | None) -> str | None:
    if into is None or into == key.where:
        return None
    match key.where:
        case "process":
            return "is read from the process's environment alone; in this place it does nothing"
        case ".env":
            return "belongs into NanoClaw's .env"
        case "credentials":
            return "belongs to the credentials that the runtime hands to the agent"


def _unfit(key: Key, value: Value) -> str | None:
    """Say why `value` is not one of `key`, or None."""
    if key.secret and not isinstance(value, Secret):
        return "is a secret and does not belong here in plain text; name a reference to it"
    if isinstance(value, Secret):
        return _unsayable(value.reveal()) or _in_quotes(value.reveal())
    return _wrong_kind(key, value) or _unsayable(written(value)) or _in_quotes(written(value))


def _wrong_kind(key: Key, value: str | int | bool) -> str | None:
    text = written(value)
    match key.kind:
        case "int" if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
            return f"{value!r} is not a whole number; write one, without a sign or a unit"
        case "bool" if text not in {"true", "false"} or type(value) is int:
            return f"{value!r} is neither true nor false"
        case "choice" if text not in key.choices:
            return f"{value!r} is none of {', '.join(key.choices)}"
        case "str" if not isinstance(value, str):
            return f"text is expected here, not {value!r}; put it in quotes"
    return None


def _unsayable(text: str) -> str | None:
    """Say why no line of an `.env` can hold `text`, or None."""
    if not text:
        return "is empty, which NanoClaw takes for absent; leave it out"
    if len(text.splitlines()) > 1 or text.splitlines()[0] != text:
        return "has more than one line, and NanoClaw reads one; take the line breaks out"
    for character in text:
        if ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 or _surrogate(character):
            return f"holds the character U+{ord(character):04X}, which has no place there"
    return None


def _surrogate(character: str) -> bool:
    return 0xD800 <= ord(character) < 0xE000


def _in_quotes(text: str) -> str | None:
    if text[:1] in QUOTES and text[-1:] == text[0]:
        return "stands in quotes that would be part of it; take them off"
    return None


def _credentials(known: Mapping[str, Key], given: Collection[str]) -> str | None:
    wanted = [name for name in CREDENTIALS if name in known]
    there = [name for name in wanted if name in given]
    if len(there) > 1:
        return f"{' and '.join(there)} are both given; the agent uses one: take the other out"
    if wanted and not there:
        return f"no credentials for the model; give one of {', '.join(wanted)}"
    return None
