"""pydantic's errors, in words for the operator."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic_core import ErrorDetails

BIND = (
    "`bind` is not yours to set: every bridge listens on the gateway, the host's own address on "
    "the guest's bridge. The guest's address does not exist on the host, and 0.0.0.0 would open "
    "the door to the LAN; remove the line"
)
"""Source: reference/tart.md §3.1."""


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Say that `key` is unknown, and which known key was probably meant."""
    if key == "bind":
        return BIND
    known = list(known)
    if guess := guess_key(key, known):
        return f"unknown key {key!r}; did you mean {guess!r}?"
    return f"unknown key {key!r}; known are {', '.join(known)}"


def guess_key(key: str, known: Iterable[str]) -> str | None:
    """Return the known key that is nearest to a misspelt one, None when none is near."""
    folded = key.lower().replace("-", "_").replace(" ", "_")
    close = difflib.get_close_matches(folded, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def _kind(value: Any) -> str:
    names: dict[type, str] = {
        str: "text",
        int: "a number",
        bool: "true or false",
        float: "a number with a fraction",
        list: "a list",
        tuple: "a list",
        dict: "a mapping",
        type(None): "nothing",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, (str, int, float, bool)) else _kind(value)
    return text if len(text) <= 80 else f"{text[:76]}...{text[-1]}"


WANTED = {
    "string_type": "text is expected here",
    "int_type": "a whole number is expected here",
    "bool_type": "true or false is expected here",
    "tuple_type": "a list is expected here",
    "model_type": "a mapping of keys and values is expected here",
    "model_attributes_type": "a mapping of keys and values is expected here",
    "dataclass_type": "text in the form host:port is expected here",
    "dataclass_exact_type": "text in the form host:port is expected here",
    "is_instance_of": "text like 192.168.64.0/24 is expected here",
}


def message(error: ErrorDetails) -> str:
    """Return one error of a validation as a sentence that says what to do."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "value_error":
        return str(context.get("error", error["msg"]))
    if kind == "missing":
        return "is missing; add it"
    if value is None:
        return "has no value; write one, or remove the line"
    if kind in WANTED:
        return f"{WANTED[kind]}, not {_shown(value)}{_hint(kind, value)}"
    return _out_of_bounds(kind, value, context) or f"{error['msg']} (found {_shown(value)})"


def _out_of_bounds(kind: str, value: Any, context: dict[str, Any]) -> str | None:
    match kind:
        case "literal_error":
            choices = context["expected"]
            return f"{_shown(value)} is not one of {choices}{_nearest(value, choices)}"
        case "greater_than_equal":
            return f"{_shown(value)} does not fit; it must be at least {context['ge']}"
        case "less_than_equal":
            return f"{_shown(value)} does not fit; it must be at most {context['le']}"
        case "string_too_long":
            return f"is longer than {context['max_length']} characters; shorten it"
    return None


def _hint(kind: str, value: Any) -> str:
    if kind == "string_type" and isinstance(value, (int, bool)):
        return "; put it in quotes if you mean the text"
    if kind == "int_type" and isinstance(value, str) and value.isdecimal():
        return "; remove the quotes"
    return ""


def _nearest(value: Any, expected: str) -> str:
    if not isinstance(value, str):
        return ""
    choices = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    close = difflib.get_close_matches(value.lower(), choices, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
