"""dscl: reads and edits the local directory node.

Shapes and codes: an absent record is `<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)`, exit 56;
-14135 exits 55, -14120 (not root) 40, an unknown node 185; an absent attribute is `No such key:
X`, exit 0. Values with spaces are folded onto the next line. Source: reference/macos.md §5; codes
as users' logs show them.
"""

import shlex
import sys
from collections.abc import Callable

from ..calls import record as record_call
from . import accounts, directory, passwords
from .console import complain, is_root, read_secret
from .directory import Node, Record

ERRORS = {
    "eDSRecordNotFound": (-14136, 56),
    "eDSRecordAlreadyExists": (-14135, 55),
    "eDSPermissionError": (-14120, 40),
    "eDSAttributeNotFound": (-14134, 54),
    "eDSAuthFailed": (-14090, 10),
    "eDSUnknownNodeName": (-14009, 185),
}
NODES = (".", "/Local/Default", "localhost", "/Search", "localonly")
TYPES = {"Users": "dsRecTypeStandard:Users", "Groups": "dsRecTypeStandard:Groups"}
READS = {"read", "list", "ls", "search", "authonly", "auth", "readall", "cat", "readpl"}


class DirectoryError(Exception):
    """A DS error, by its symbol."""


def main(argv: list[str]) -> int:
    """Run one dscl command line: `dscl [-q] NODE -verb PATH [ATTRIBUTE [VALUE…]]`."""
    words = [word for word in argv[1:] if word not in {"-q", "-raw", "-plist", "-url", "-p", "-n"}]
    verb = words[1].lstrip("-") if len(words) > 1 else ""
    record_call(argv, mutates=verb not in READS)
    if len(words) < 2 or verb not in VERBS:
        complain("dscl (v20.4)\nusage: dscl [options] [<datasource> [<command>]]")
        return 0 if not words else 64
    if words[0] not in NODES:
        return report("eDSUnknownNodeName")
    try:
        return VERBS[verb](words[2:])
    except DirectoryError as error:
        return report(str(error))


def report(symbol: str) -> int:
    """Print a DS error as dscl does and return its exit status."""
    code, status = ERRORS[symbol]
    complain(f"<dscl_cmd> DS Error: {code} ({symbol})")
    return status


def split(path: str) -> tuple[str, str]:
    """Return kind and name of `/Users/claw` (or `/Local/Default/Users/claw`, or `/Users`)."""
    parts = [part for part in path.removeprefix("/Local/Default").split("/") if part]
    kind = parts[0] if parts else ""
    if kind not in TYPES:
        raise DirectoryError("eDSRecordNotFound")
    return kind, parts[1] if len(parts) > 1 else ""


def find(node: Node, path: str) -> tuple[str, Record]:
    """Return kind and record of a path; a user may be named by RealName or uid nowhere here."""
    kind, name = split(path)
    record = node.of(kind).get(name)
    if record is None:
        raise DirectoryError("eDSRecordNotFound")
    return kind, record


def values_of(kind: str, record: Record) -> directory.Attributes:
    """Return all attributes of a record, with those the node computes."""
    computed = {
        "AppleMetaNodeLocation": ["/Local/Default"],
        "RecordName": [record.name],
        "RecordType": [TYPES[kind]],
        "Password": ["********" if record.password.startswith("$") else "*"],
    }
    return computed | record.attributes


def shown(name: str, values: list[str]) -> str:
    """Return one attribute as dscl prints it."""
    label = f"dsAttrTypeNative:{name}" if name.startswith("_") else name
    if any(" " in value or "\n" in value for value in values):
        return f"{label}:\n" + "\n".join(f" {value}" for value in values)
    return f"{label}: {' '.join(values)}"


def read(words: list[str]) -> int:
    """-read PATH [ATTRIBUTE…]."""
    kind, record = find(directory.load(), words[0])
    values = values_of(kind, record)
    for name in words[1:] or sorted(values):
        plain = name.removeprefix("dsAttrTypeStandard:")
        if plain in values:
            print(shown(plain, values[plain]))
        else:
            print(f"No such key: {name}", file=sys.stderr)
    return 0


def list_records(words: list[str]) -> int:
    """-list PATH [ATTRIBUTE]: names, or names and values in columns."""
    kind, _ = split(words[0])
    records = directory.load().of(kind)
    width = max((len(name) for name in records), default=0) + 2
    for name in sorted(records):
        values = values_of(kind, records[name])
        if len(words) == 1:
            print(name)
        elif words[1] in values:
            print(f"{name.ljust(width)}{' '.join(values[words[1]])}")
    return 0


def search(words: list[str]) -> int:
    """-search PATH ATTRIBUTE VALUE."""
    kind, _ = split(words[0])
    for name, record in sorted(directory.load().of(kind).items()):
        found = values_of(kind, record).get(words[1], [])
        if words[2] in found:
            listed = "".join(f"\n    {shlex.quote(value)}" for value in found)
            print(f"{name}\t\t{words[1]} = ({listed}\n)")
    return 0


def create(words: list[str]) -> int:
    """-create PATH [ATTRIBUTE [VALUE…]]: makes the record if need be, and sets the attribute."""

    def change(node: Node) -> None:
        kind, name = split(words[0])
        record = node.of(kind).setdefault(name, Record(name))
        if len(words) > 1:
            record.attributes[words[1]] = words[2:] or [""]
        record.attributes.setdefault("GeneratedUID", [directory.generated_uid(kind, name)])
        unique(node, kind, record, words[1] if len(words) > 1 else "")

    return edit(change)


def unique(node: Node, kind: str, record: Record, attribute: str) -> None:
    """Refuse an id that another record has."""
    key = "UniqueID" if kind == "Users" else "PrimaryGroupID"
    if attribute != key:
        return
    mine = record.first(key)
    if any(r.first(key) == mine for r in node.of(kind).values() if r is not record):
        complain("<main> attribute status: eDSRecordAlreadyExists")
        raise DirectoryError("eDSRecordAlreadyExists")


def append(words: list[str]) -> int:
    """-append / -merge PATH ATTRIBUTE VALUE…."""

    def change(node: Node) -> None:
        _, record = find(node, words[0])
        values = record.attributes.setdefault(words[1], [])
        values.extend(value for value in words[2:] if value not in values)

    return edit(change)


def change_value(words: list[str]) -> int:
    """-change PATH ATTRIBUTE OLD NEW."""

    def change(node: Node) -> None:
        _, record = find(node, words[0])
        values = record.attributes.get(words[1], [])
        if words[2] not in values:
            raise DirectoryError("eDSAttributeNotFound")
        values[values.index(words[2])] = words[3]

    return edit(change)


def delete(words: list[str]) -> int:
    """-delete PATH [ATTRIBUTE [VALUE…]]."""

    def change(node: Node) -> None:
        kind, record = find(node, words[0])
        if len(words) == 1:
            if kind == "Users":
                accounts.remove_user(node, record.name)
            else:
                del node.groups[record.name]
        elif words[1] not in record.attributes:
            complain("<main> delete status: eDSAttributeNotFound")
            raise DirectoryError("eDSAttributeNotFound")
        elif len(words) == 2:
            del record.attributes[words[1]]
        else:
            kept = [v for v in record.attributes[words[1]] if v not in words[2:]]
            record.attributes[words[1]] = kept

    return edit(change)


def passwd(words: list[str]) -> int:
    """-passwd PATH [NEW | OLD NEW]; root needs no old password. Without NEW it is asked for."""
    new = words[-1] if len(words) > 1 else read_secret("New Password: ")

    def change(node: Node) -> None:
        _, record = find(node, words[0])
        if not is_root() and not (len(words) == 3 and passwords.verify(words[1], record.password)):
            complain("passwd: DS error: eDSAuthFailed")
            raise DirectoryError("eDSAuthFailed")
        accounts.set_password(record, new)

    return edit(change)


def authonly(words: list[str]) -> int:
    """-authonly USER [PASSWORD]."""
    user = directory.load().users.get(words[0])
    given = words[1] if len(words) > 1 else read_secret("Password: ")
    if user is None or not passwords.verify(given, user.password):
        complain("Authentication for node /Local/Default failed. (-14090, eDSAuthFailed)")
        raise DirectoryError("eDSAuthFailed")
    return 0


def edit(change: Callable[[Node], None]) -> int:
    """Apply a change to the node as root, else refuse it with eDSPermissionError."""
    if not is_root():
        complain("<main> attribute status: eDSPermissionError")
        raise DirectoryError("eDSPermissionError")
    with directory.editing() as node:
        change(node)
    return 0


VERBS: dict[str, Callable[[list[str]], int]] = {
    "read": read,
    "cat": read,
    "list": list_records,
    "ls": list_records,
    "search": search,
    "create": create,
    "append": append,
    "merge": append,
    "change": change_value,
    "delete": delete,
    "rm": delete,
    "passwd": passwd,
    "authonly": authonly,
    "auth": authonly,
}
