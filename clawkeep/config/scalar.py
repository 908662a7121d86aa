"""What a YAML scalar means, and where YAML 1.1 would make it mean something else."""

from __future__ import annotations

import re
from typing import Final

from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

Value = str | int | bool | None

DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
PREFIX: Final = "tag:yaml.org,2002:"
_RESOLVER = Resolver()


class TrapError(ValueError):
    """A scalar that does not mean what it looks like; the text says what to write instead."""


def meaning(raw: str, *, plain: bool) -> Value:
    """Return what a scalar means: quoted text as it is, plain text as YAML 1.1 resolves it.

    Raises TrapError for everything that another reader, or the operator, would read differently:
    `22:22` (a number in base 60), `022` (octal), `no` (false), dates, floats.
    """
    if not plain:
        return raw
    tag = str(_RESOLVER.resolve(ScalarNode, raw, (True, False))).removeprefix(PREFIX)  # type: ignore[no-untyped-call]
    if tag == "str":
        return raw
    if tag == "null":
        return None
    if tag == "bool":
        return _boolean(raw)
    if tag == "int":
        return _integer(raw)
    raise TrapError(_advice(raw, tag))


def _boolean(raw: str) -> bool:
    word = raw.lower()
    if word not in {"true", "false"}:
        truth = "true" if word in {"yes", "on"} else "false"
        raise TrapError(
            f'YAML reads {raw} as {truth}; write "{raw}" in quotes if you mean the word'
        )
    return word == "true"


def _integer(raw: str) -> int:
    if DECIMAL.fullmatch(raw):
        return int(raw)
    if ":" in raw:
        raise TrapError(
            f'YAML reads {raw} as a number in base 60; write "{raw}" in quotes if you mean the text'
        )
    if len(raw) > 18:
        raise TrapError(f"a number with {len(raw)} digits has no meaning here")
    raise TrapError(f"YAML reads {raw} as the number {_number(raw)}; write it as a plain decimal")


def _number(raw: str) -> int:
    """Work out a YAML 1.1 integer that is not in base 60."""
    digits = raw.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if digits.startswith(("0x", "0b")):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if digits.startswith("0") and len(digits) > 1 else 10)


def _advice(raw: str, tag: str) -> str:
    if tag == "merge":
        return "merge keys (<<) are not supported; write the keys out"
    kind = {"timestamp": "a date", "float": "a number with a fraction"}.get(
        tag, "something special"
    )
    return f'YAML reads {raw} as {kind}; write "{raw}" in quotes if you mean the text'
