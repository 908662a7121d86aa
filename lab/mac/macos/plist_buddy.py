"""PlistBuddy: Print, Set, Add, Delete and Save; other commands are not there.

Source: PlistBuddy(8).
"""

import plistlib
import shlex
import sys
from pathlib import Path
from typing import Any

from ..calls import record
from . import paths

INDENT = "    "


class EntryError(Exception):
    """A sentence for an entry that is not there, or is there already."""


def main(argv: list[str]) -> int:
    """Run `PlistBuddy [-x] -c COMMAND… FILE`."""
    words = argv[1:]
    commands = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "-c"]
    record(argv, mutates=any(not command.startswith("Print") for command in commands))
    if not words or not commands:
        print("Usage: PlistBuddy [-cxh] <file.plist>")
        return 1
    file = paths.at(words[-1]) if words[-1].startswith("/") else Path(words[-1])
    values: Any = {}
    if file.exists():
        values = plistlib.loads(file.read_bytes())
    else:
        print(f"File Doesn't Exist, Will Create: {words[-1]}")
    status, changed = 0, False
    for command in commands:
        try:
            changed |= run(values, command, as_xml="-x" in words)
        except EntryError as error:
            print(error)
            status = 1
    if changed:
        file.write_bytes(plistlib.dumps(values))
    return status


def run(values: Any, command: str, *, as_xml: bool = False) -> bool:
    """Run one command on the property list in place; return whether it changed it."""
    verb, *words = shlex.split(command)
    entry = words[0] if words else ":"
    keys = [key for key in entry.split(":") if key]
    if verb == "Print":
        found = lookup(values, keys, "Print", entry)
        if as_xml:
            sys.stdout.write(plistlib.dumps(found).decode())
        else:
            print(text_of(found))
        return False
    if verb == "Save":
        return True
    parent = lookup(values, keys[:-1], verb, entry)
    if verb == "Set":
        set_(parent, keys[-1], lookup(values, keys, verb, entry), " ".join(words[1:]))
    elif verb == "Add":
        add(parent, keys[-1], entry, words[1], " ".join(words[2:]))
    elif verb == "Delete":
        lookup(values, keys, verb, entry)
        del parent[index(parent, keys[-1])]
    else:
        raise EntryError("Unrecognized Command")
    return True


def index(parent: Any, key: str) -> Any:
    """Return the key, as a number in an array."""
    return int(key) if isinstance(parent, list) else key


def lookup(values: Any, keys: list[str], verb: str, entry: str) -> Any:
    """Return what the keys lead to; raise EntryError in PlistBuddy's words."""
    for key in keys:
        try:
            values = values[index(values, key)]
        except (KeyError, IndexError, TypeError, ValueError):
            raise EntryError(f'{verb}: Entry, "{entry}", Does Not Exist') from None
    return values


def set_(parent: Any, key: str, old: Any, text: str) -> None:
    """Give an entry a new value of the type it has."""
    parent[index(parent, key)] = convert(type_of(old), text)


def add(parent: Any, key: str, entry: str, kind: str, text: str) -> None:
    """Add an entry of a type."""
    if isinstance(parent, list):
        parent.insert(int(key) if key else len(parent), convert(kind, text))
        return
    if key in parent:
        raise EntryError(f'Add: "{entry}" Entry Already Exists')
    parent[key] = convert(kind, text)


def type_of(value: Any) -> str:
    """Return PlistBuddy's name of a value's type."""
    for kind, name in ((bool, "bool"), (int, "integer"), (float, "real"), (bytes, "data")):
        if isinstance(value, kind):
            return name
    return "string"


def convert(kind: str, text: str) -> Any:  # noqa: PLR0911 - one line per type
    """Return the value of a type from its text."""
    match kind:
        case "bool":
            return text.lower() in {"true", "yes", "1"}
        case "integer":
            return int(text or 0)
        case "real":
            return float(text or 0)
        case "data":
            return text.encode()
        case "array":
            return []
        case "dict":
            return {}
    return text


def text_of(value: Any, depth: int = 0) -> str:
    """Return a value as `Print` shows it."""
    pad = INDENT * (depth + 1)
    if isinstance(value, dict):
        rows = [f"{pad}{key} = {text_of(value[key], depth + 1)}\n" for key in value]
        return "Dict {\n" + "".join(rows) + INDENT * depth + "}"
    if isinstance(value, list):
        rows = [f"{pad}{text_of(item, depth + 1)}\n" for item in value]
        return "Array {\n" + "".join(rows) + INDENT * depth + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
