"""The local directory node: users and groups as records, kept in the machine's passwd files.

`/private/etc/{passwd,group,shadow}` are what opendirectoryd holds in memory: every program of the
lab sees a change at once. What survives a hard stop is the copy under
/private/var/db/dslocal/disk, which only opendirectoryd's orderly end writes (Source:
reference/macos.md §5). Attributes that the passwd files have no field for live beside them, in
attributes.json.
"""

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import paths

LIVE = {
    "passwd": "/private/etc/passwd",
    "group": "/private/etc/group",
    "shadow": "/private/etc/shadow",
    "attributes.json": "/private/var/db/dslocal/attributes.json",
}
DISK = "/private/var/db/dslocal/disk"
LOCK = "/private/var/db/dslocal/lock"
MODES = {"shadow": 0o600}
NAMESPACE = uuid.UUID("ffffeeee-dddd-cccc-bbbb-aaaa00000000")
USER_FIELDS = ("UniqueID", "PrimaryGroupID", "RealName", "NFSHomeDirectory", "UserShell")
Attributes = dict[str, list[str]]


@dataclass
class Record:
    """One user or group: its name and its attributes, each a list of values."""

    name: str
    attributes: Attributes = field(default_factory=dict)
    password: str = "*"

    def first(self, attribute: str, default: str = "") -> str:
        """Return the first value of an attribute."""
        values = self.attributes.get(attribute)
        return values[0] if values else default


@dataclass
class Node:
    """All records of the node."""

    users: dict[str, Record]
    groups: dict[str, Record]

    def of(self, kind: str) -> dict[str, Record]:
        """Return the records of `Users` or `Groups`."""
        return self.users if kind == "Users" else self.groups

    def next_uid(self) -> int:
        """Return the lowest free uid from 501 on, as sysadminctl picks it."""
        taken = {record.first("UniqueID") for record in self.users.values()}
        return next(uid for uid in range(501, 60000) if str(uid) not in taken)

    def next_gid(self) -> int:
        """Return the lowest free gid from 501 on."""
        taken = {record.first("PrimaryGroupID") for record in self.groups.values()}
        return next(gid for gid in range(501, 60000) if str(gid) not in taken)

    def members(self, group: Record) -> list[str]:
        """Return who is in the group: by its list and by primary group."""
        gid = group.first("PrimaryGroupID")
        primary = [u.name for u in self.users.values() if u.first("PrimaryGroupID") == gid]
        return [*group.attributes.get("GroupMembership", []), *primary]


def generated_uid(kind: str, name: str) -> str:
    """Return the GeneratedUID of a record that came without one."""
    return str(uuid.uuid5(NAMESPACE, f"{kind}/{name}")).upper()


@contextlib.contextmanager
def editing() -> Iterator[Node]:
    """Give the node to change under its lock, and write it back unless an error is raised."""
    lock = paths.at(LOCK)
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        node = load()
        yield node
        save(node)


def load() -> Node:
    """Read the node as it is in memory, that is, in the live files."""
    extra = _read_json(paths.at(LIVE["attributes.json"]))
    hashes = {row[0]: row[1] for row in _rows("shadow", 2)}
    users = {row[0]: _user(row, hashes.get(row[0], row[1])) for row in _rows("passwd", 7)}
    groups = {row[0]: _group(row) for row in _rows("group", 4)}
    for kind, records in (("Users", users), ("Groups", groups)):
        for name, attributes in extra.get(kind, {}).items():
            records.setdefault(name, Record(name)).attributes.update(attributes)
        for record in records.values():
            record.attributes.setdefault("GeneratedUID", [generated_uid(kind, record.name)])
    return Node(users, groups)


def save(node: Node) -> None:
    """Write the node to the live files; a user without UniqueID exists only as attributes."""
    users = [u for u in node.users.values() if u.attributes.get("UniqueID")]
    groups = [g for g in node.groups.values() if g.attributes.get("PrimaryGroupID")]
    _write("passwd", "".join(_passwd_line(user) for user in users))
    _write("group", "".join(_group_line(group) for group in groups))
    _write("shadow", "".join(f"{u.name}:{u.password}:20000:0:99999:7:::\n" for u in users))
    extra = {
        "Users": {u.name: _beyond(u, USER_FIELDS, "UniqueID") for u in node.users.values()},
        "Groups": {
            g.name: _beyond(g, ("PrimaryGroupID", "GroupMembership"), "PrimaryGroupID")
            for g in node.groups.values()
        },
    }
    _write("attributes.json", json.dumps(extra, indent=1, ensure_ascii=False))


def flush() -> None:
    """Copy what is in memory to the disk copy."""
    disk = paths.at(DISK)
    disk.mkdir(parents=True, exist_ok=True)
    disk.chmod(0o700)
    for name, live in LIVE.items():
        if paths.at(live).exists():
            _replace_copy(paths.at(live), disk / name)
        else:
            (disk / name).unlink(missing_ok=True)


def restore() -> bool:
    """Put the disk copy in memory; return False when there is none yet."""
    disk = paths.at(DISK)
    if not (disk / "passwd").exists():
        return False
    for name, live in LIVE.items():
        if (disk / name).exists():
            _replace_copy(disk / name, paths.at(live))
        else:
            # Made since the last flush, so never on disk.
            paths.at(live).unlink(missing_ok=True)
    return True


def _user(row: list[str], password: str) -> Record:
    name, _, uid, gid, gecos, home, shell = row
    values = (uid, gid, gecos.split(",")[0], home, shell)
    attributes = {key: [value] for key, value in zip(USER_FIELDS, values, strict=True)}
    return Record(name, attributes, password)


def _group(row: list[str]) -> Record:
    name, _, gid, members = row
    attributes = {"PrimaryGroupID": [gid]}
    if members:
        attributes["GroupMembership"] = members.split(",")
    return Record(name, attributes)


def _passwd_line(user: Record) -> str:
    fields = [
        _unsigned(user.first("UniqueID")),
        _unsigned(user.first("PrimaryGroupID", "20")),
        user.first("RealName").replace(":", " "),
        user.first("NFSHomeDirectory", "/var/empty"),
        user.first("UserShell", "/usr/bin/false"),
    ]
    return f"{user.name}:x:{':'.join(fields)}\n"


def _group_line(group: Record) -> str:
    members = dict.fromkeys(group.attributes.get("GroupMembership", []))
    return f"{group.name}:*:{_unsigned(group.first('PrimaryGroupID'))}:{','.join(members)}\n"


def _unsigned(number: str) -> str:
    """Write -2 (nobody) as the C library reads it: ids are unsigned, of 32 bits."""
    return str(int(number) % 2**32) if number.startswith("-") else number


def _beyond(record: Record, fields: tuple[str, ...], key: str) -> Attributes:
    """Return what the passwd line does not hold: all of it when there is no line."""
    held = fields if record.attributes.get(key) else ()
    return {name: values for name, values in record.attributes.items() if name not in held}


def _rows(name: str, width: int) -> list[list[str]]:
    try:
        lines = paths.at(LIVE[name]).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    rows = [line.split(":") for line in lines if line and not line.startswith("#")]
    return [row for row in rows if len(row) >= width]


def _read_json(path: Path) -> dict[str, dict[str, Attributes]]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        return {}


def _write(name: str, text: str) -> None:
    target = paths.at(LIVE[name])
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(MODES.get(name, 0o644))
    temporary.replace(target)


def _replace_copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    shutil.copy2(source, temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)
