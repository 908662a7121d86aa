"""defaults: reads and writes preference files.

A missing key says "The domain/default pair of (x, y) does not exist" and exits 1; a value without
a type is a string, whatever it looks like. Source: defaults(1); reference/macos.md §5.
"""

import datetime
import plistlib
import sys
from pathlib import Path
from typing import Any

from ..calls import record
from . import preferences
from .console import complain, nslog

TYPE_NAMES = {bool: "boolean", int: "integer", float: "float", str: "string", bytes: "data"}
READS = {"read", "read-type", "export", "domains", "find", "help"}
SHORT = {"-boolean": "-bool", "-integer": "-int"}


class UsageError(Exception):
    """A command line that defaults does not take."""


def main(argv: list[str]) -> int:
    """Run `defaults [-currentHost] VERB DOMAIN [KEY [-TYPE] VALUE…]`."""
    words = argv[1:]
    current_host = "-currentHost" in words[:1]
    if current_host:
        words = words[1:]
    elif words[:1] == ["-host"]:
        words = words[2:]
    verb = words[0] if words else "help"
    record(argv, mutates=verb not in READS)
    action = VERBS.get(verb)
    if action is None or len(words) < 2:
        complain(
            "Command line interface to a user's defaults.\nSyntax: 'defaults' [-currentHost] …"
        )
        return 255
    domain = words[1]
    file = preferences.file_of(domain, current_host=current_host)
    try:
        return int(action(domain, file, words[2:]))
    except UsageError as error:
        nslog("defaults", str(error))
        return 255
    except OSError:
        nslog("defaults", f"Could not write domain {domain}; exiting")
        return 1


def missing(domain: str, key: str | None) -> int:
    """Say what is not there; return 1."""
    what = f"The domain/default pair of ({domain}, {key}) does not exist"
    nslog("defaults", f"\n{what if key else f'Domain {domain} does not exist'}")
    return 1


def read(domain: str, file: Path, words: list[str]) -> int:
    """`read DOMAIN [KEY]`."""
    values = preferences.read(file)
    if values is None or (words and words[0] not in values):
        return missing(domain, words[0] if words else None)
    print(preferences.text_of(values[words[0]] if words else values))
    return 0


def read_type(domain: str, file: Path, words: list[str]) -> int:
    """`read-type DOMAIN KEY`."""
    values = preferences.read(file)
    if values is None or words[0] not in values:
        return missing(domain, words[0])
    value = values[words[0]]
    name = TYPE_NAMES.get(type(value), "dictionary" if isinstance(value, dict) else "array")
    print(f"Type is {'date' if isinstance(value, datetime.datetime) else name}")
    return 0


def write(_domain: str, file: Path, words: list[str]) -> int:
    """`write DOMAIN KEY [-TYPE] VALUE…`, or a whole dictionary as one plist text."""
    values = preferences.read(file) or {}
    if len(words) == 1:
        values = _plist(words[0])
    elif len(words) > 1:
        values[words[0]] = value_of(words[1:], values.get(words[0]))
    else:
        raise UsageError("Rep argument is not a dictionary\nDefaults have not been changed.")
    preferences.write(file, values)
    return 0


def value_of(words: list[str], old: Any) -> Any:  # noqa: C901, PLR0911 - one line per type
    """Return what `[-TYPE] VALUE…` means; `old` is what -array-add and -dict-add extend."""
    kind = SHORT.get(words[0], words[0])
    rest = words[1:]
    match kind:
        case "-bool" if rest and rest[0].lower() in {"true", "yes", "1"}:
            return True
        case "-bool" if rest and rest[0].lower() in {"false", "no", "0"}:
            return False
        case "-bool":
            raise UsageError("Unexpected argument; Defaults have not been changed.")
        case "-int":
            return _number(rest, int)
        case "-float":
            return _number(rest, float)
        case "-string":
            return rest[0]
        case "-data":
            return bytes.fromhex(rest[0])
        case "-array":
            return items(rest)
        case "-array-add":
            return [*(old if isinstance(old, list) else []), *items(rest)]
        case "-dict":
            return pairs(rest)
        case "-dict-add":
            return {**(old if isinstance(old, dict) else {}), **pairs(rest)}
    return _plist(kind) if kind.startswith("<") else kind


def _number(words: list[str], kind: type[int] | type[float]) -> int | float:
    try:
        return kind(words[0])
    except (ValueError, IndexError):
        # As on a Mac: text that is no number is written as 0, and nobody is told.
        return kind(0)


def items(words: list[str]) -> list[Any]:
    """Return the values of `-array`: each may have its own type."""
    found = []
    position = 0
    while position < len(words):
        typed = words[position].startswith("-") and words[position] in TYPES
        found.append(value_of(words[position : position + 2 if typed else position + 1], None))
        position += 2 if typed else 1
    return found


def pairs(words: list[str]) -> dict[str, Any]:
    """Return the dictionary of `-dict KEY [-TYPE] VALUE …`."""
    found: dict[str, Any] = {}
    position = 0
    while position + 1 < len(words):
        key = words[position]
        typed = words[position + 1] in TYPES
        end = position + (3 if typed else 2)
        found[key] = value_of(words[position + 1 : end], None)
        position = end
    return found


def _plist(text: str) -> Any:
    try:
        return plistlib.loads(text.encode())
    except (ValueError, plistlib.InvalidFileException):
        raise UsageError(f"Could not parse: {text}.  Try single-quoting it.") from None


def delete(domain: str, file: Path, words: list[str]) -> int:
    """`delete DOMAIN [KEY]`."""
    values = preferences.read(file)
    if values is None or (words and words[0] not in values):
        nslog("defaults", f"\nDomain ({domain}) not found.\nDefaults have not been changed.")
        return 1
    if not words:
        file.unlink()
        return 0
    del values[words[0]]
    preferences.write(file, values)
    return 0


def export(domain: str, file: Path, words: list[str]) -> int:
    """`export DOMAIN FILE|-`: XML on standard output or in a file."""
    values = preferences.read(file)
    if values is None:
        return missing(domain, None)
    if words[0] == "-":
        sys.stdout.buffer.write(plistlib.dumps(values))
    else:
        preferences.write(Path(words[0]), values, mode=0o644)
    return 0


def import_(domain: str, file: Path, words: list[str]) -> int:
    """`import DOMAIN FILE|-`."""
    data = sys.stdin.buffer.read() if words[0] == "-" else Path(words[0]).read_bytes()
    try:
        values = plistlib.loads(data)
    except (ValueError, plistlib.InvalidFileException):
        raise UsageError(f"Could not parse property list for {domain}") from None
    preferences.write(file, {**(preferences.read(file) or {}), **values})
    return 0


TYPES = {"-bool", "-boolean", "-int", "-integer", "-float", "-string", "-data"}
VERBS = {
    "read": read,
    "read-type": read_type,
    "write": write,
    "delete": delete,
    "remove": delete,
    "export": export,
    "import": import_,
}
