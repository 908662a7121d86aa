"""Keypaths into a property list (`a.b.0`), plutil's typed values, and its pretty print."""

import base64
import datetime
import json
import plistlib
from collections.abc import Callable
from typing import Any
from xml.parsers.expat import ExpatError

TYPES = {
    "bool": bool, "integer": int, "float": float, "string": str, "data": bytes, "dictionary": dict,
    "array": list, "date": datetime.datetime,
}  # fmt: skip


VALUES: dict[str, Callable[[str], Any]] = {
    "-bool": lambda text: text.lower() in {"yes", "true", "1"},
    "-integer": int,
    "-float": float,
    "-string": str,
    "-data": lambda text: base64.b64decode(text, validate=True),
    "-json": json.loads,
    "-xml": lambda text: plistlib.loads(f"<plist>{text}</plist>".encode(), fmt=plistlib.FMT_XML),
    "-dictionary": lambda _text: {},
    "-array": lambda _text: [],
}


class UnusableError(Exception):
    """plutil's reason for failing."""


def type_name(value: Any) -> str:
    """Return plutil's name of a value's type."""
    return next(name for name, kind in TYPES.items() if type(value) is kind)


def find(tree: Any, path: str) -> Any:
    """Return the value at a keypath; raises `UnusableError`."""
    for key in keys(path):
        tree = _step(tree, key, path)
    return tree


def keys(path: str) -> list[str]:
    """Split a keypath; a dot inside a key is escaped by a backslash."""
    return [key.replace("\0", ".") for key in path.replace("\\.", "\0").split(".")]


def put(tree: Any, path: str, item: Any, *, insert: bool) -> None:
    """Set the value at a keypath; insert shifts arrays and refuses keys that exist."""
    *parents, last = keys(path)
    for key in parents:
        tree = _step(tree, key, path)
    if isinstance(tree, list) and last.isdigit() and int(last) <= len(tree):
        if insert or int(last) == len(tree):
            tree.insert(int(last), item)
        else:
            tree[int(last)] = item
        return
    if not isinstance(tree, dict) or (insert and last in tree):
        raise UnusableError(f"Could not {'insert' if insert else 'replace'} at key path {path}")
    tree[last] = item


def remove(tree: Any, path: str) -> None:
    """Take the value at a keypath away; raises `UnusableError` when there is none."""
    *parents, last = keys(path)
    for key in parents:
        tree = _step(tree, key, path)
    _step(tree, last, path)
    del tree[int(last) if isinstance(tree, list) else last]


def value(kind: str, text: str = "") -> Any:
    """Return the value of `-bool YES`, `-integer 3`, `-json …`; raises `UnusableError`."""
    if kind not in VALUES:
        raise UnusableError(f"Unknown object type: {kind}")
    try:
        return VALUES[kind](text)
    except (ValueError, ExpatError) as error:
        raise UnusableError(f"Invalid value for {kind}: {text}") from error


def pretty(tree: Any, depth: int = 0) -> str:
    """Return a value as `plutil -p` prints it."""
    pad = "  " * (depth + 1)
    if isinstance(tree, dict):
        rows = [f'{pad}"{key}" => {pretty(item, depth + 1)}' for key, item in sorted(tree.items())]
        return "\n".join(["{", *rows, "  " * depth + "}"])
    if isinstance(tree, list):
        rows = [f"{pad}{index} => {pretty(item, depth + 1)}" for index, item in enumerate(tree)]
        return "\n".join(["[", *rows, "  " * depth + "]"])
    if isinstance(tree, bool):
        return "true" if tree else "false"
    if isinstance(tree, bytes):
        return f"{{length = {len(tree)}, bytes = 0x{tree.hex()}}}"
    if isinstance(tree, datetime.datetime):
        return tree.strftime("%Y-%m-%d %H:%M:%S +0000")
    return f'"{tree}"' if isinstance(tree, str) else str(tree)


def _step(tree: Any, key: str, path: str) -> Any:
    if isinstance(tree, dict) and key in tree:
        return tree[key]
    if isinstance(tree, list) and key.isdigit() and int(key) < len(tree):
        return tree[int(key)]
    words = "Could not extract value, error: No value at that key path or invalid key path: "
    raise UnusableError(words + path)
