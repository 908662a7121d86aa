"""plutil: -lint, -convert, -p, -extract, -insert, -replace, -remove on property lists and JSON."""

import datetime
import json
import os
import plistlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.parsers.expat import ExpatError

from ..calls import record
from . import plist_tree
from .plist_tree import UnusableError

ACTIONS = {"-lint": 0, "-convert": 1, "-p": 0, "-extract": 2, "-insert": 3, "-replace": 3,
           "-remove": 1, "-type": 1}  # fmt: skip
WRITES = {"-convert", "-extract", "-insert", "-replace", "-remove"}
FORMATS = ("xml1", "binary1", "json", "raw")


@dataclass
class Command:
    """A parsed command line."""

    action: str = "-lint"
    operands: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    output: str | None = None
    extension: str | None = None
    quiet: bool = False


def main(argv: list[str]) -> int:
    """Run plutil; return 0, or 1 when a file failed or the call made no sense."""
    try:
        command = parse(argv[1:])
    except UnusableError as error:
        record(argv, mutates=False)
        print(f"{error}\nplutil: [command_option] [other_options] file...", file=sys.stderr)
        return 1
    record(argv, mutates=command.action in WRITES and command.output != "-")
    return max([run(command, name) for name in command.files])


def parse(words: list[str]) -> Command:
    """Read the command line; raises `UnusableError`."""
    command, queue = Command(), list(words)
    if queue and queue[0] in ACTIONS:
        _take_action(command, queue)
    options_end = False
    while queue:
        word = queue.pop(0)
        if options_end or word == "-" or not word.startswith("-"):
            command.files.append(word)
        elif word == "--":
            options_end = True
        elif word in {"-o", "-e"} and queue:
            name = "output" if word == "-o" else "extension"
            setattr(command, name, queue.pop(0))
        elif word in {"-s", "-r", "-n"}:
            command.quiet |= word == "-s"
        else:
            raise UnusableError(f"unrecognized option: {word}")
    if not command.files:
        raise UnusableError("No files specified.")
    return command


def _take_action(command: Command, queue: list[str]) -> None:
    """Move the action and its operands from the queue to the command."""
    command.action = queue.pop(0)
    needed = ACTIONS[command.action]
    if needed == 3 and queue[1:2] in (["-dictionary"], ["-array"]):
        needed = 2
    command.operands = queue[:needed]
    del queue[:needed]
    if len(command.operands) < needed:
        raise UnusableError(f"{command.action}: missing arguments")


def run(command: Command, name: str) -> int:
    """Do the command to one file."""
    label = "<stdin>" if name == "-" else name
    try:
        data = sys.stdin.buffer.read() if name == "-" else _read(name)
    except OSError as error:
        words = "file does not exist or is not readable or is not a regular file"
        return _failed(label, f"{words} ({error.strerror})")
    try:
        tree = load(data)
    except UnusableError as error:
        return _failed(label, str(error))
    try:
        return RUN[command.action](command, name, tree)
    except (UnusableError, OSError) as error:
        return _failed(label, str(error))


def load(data: bytes) -> Any:
    """Read XML, binary or JSON; raises `UnusableError` with plutil's reason."""
    try:
        return plistlib.loads(data)
    except (plistlib.InvalidFileException, ExpatError, ValueError, AttributeError) as error:
        if data.lstrip()[:1] in {b"{", b"["}:
            try:
                return json.loads(data)
            except ValueError:
                pass
        if isinstance(error, ExpatError):
            raise UnusableError(
                f"Encountered unexpected element or syntax at line {error.lineno}"
            ) from error
        raise UnusableError("Unexpected character at line 1 (not a property list)") from error


def dump(tree: Any, form: str) -> bytes:
    """Write a tree in one of the formats; raises `UnusableError` if it does not fit."""
    try:
        if form == "xml1":
            return plistlib.dumps(tree, sort_keys=True)
        if form == "binary1":
            return plistlib.dumps(tree, fmt=plistlib.FMT_BINARY)
        if form == "json":
            return json.dumps(tree, separators=(",", ":"), sort_keys=True).encode()
    except (TypeError, OverflowError) as error:
        raise UnusableError("Invalid object in plist for destination format") from error
    if form == "raw":
        return raw(tree).encode() + b"\n"
    raise UnusableError(f"Unknown format specifier: {form}")


def raw(value: Any) -> str:
    """Return a value as `-extract … raw` prints it: a dictionary's keys, an array's length."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "\n".join(sorted(value))
    if isinstance(value, list):
        return str(len(value))
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _read(name: str) -> bytes:
    with open(name, "rb") as file:
        return file.read()


def _failed(label: str, why: str) -> int:
    print(f"{label}: {why}", file=sys.stderr)
    return 1


def _lint(command: Command, name: str, _tree: Any) -> int:
    if not command.quiet:
        print(f"{'<stdin>' if name == '-' else name}: OK")
    return 0


def _show(_command: Command, _name: str, tree: Any) -> int:
    print(plist_tree.pretty(tree))
    return 0


def _convert(command: Command, name: str, tree: Any) -> int:
    return _write(command, name, dump(tree, command.operands[0]))


def _extract(command: Command, name: str, tree: Any) -> int:
    path, form = command.operands
    value = plist_tree.find(tree, path)
    if form == "raw" and command.output is None:
        command.output = "-"
    return _write(command, name, dump(value, form))


def _type(command: Command, _name: str, tree: Any) -> int:
    print(plist_tree.type_name(plist_tree.find(tree, command.operands[0])))
    return 0


def _edit(command: Command, name: str, tree: Any) -> int:
    path = command.operands[0]
    if command.action == "-remove":
        plist_tree.remove(tree, path)
    else:
        value = plist_tree.value(*command.operands[1:])
        plist_tree.put(tree, path, value, insert=command.action == "-insert")
    return _write(command, name, dump(tree, "xml1"))


def _write(command: Command, name: str, data: bytes) -> int:
    """Write over the file itself, to -o, beside it with -e, or to stdout for `-`."""
    target = command.output or name
    if command.output is None and command.extension:
        target = f"{os.path.splitext(name)[0]}.{command.extension}"
    if target == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return 0
    with open(target, "wb") as file:
        file.write(data)
    return 0


RUN: dict[str, Callable[[Command, str, Any], int]] = {
    "-lint": _lint,
    "-p": _show,
    "-convert": _convert,
    "-extract": _extract,
    "-type": _type,
    "-insert": _edit,
    "-replace": _edit,
    "-remove": _edit,
}
