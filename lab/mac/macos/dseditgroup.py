"""dseditgroup: groups of the local node.

`-o checkmember` says `yes NAME is a member of GROUP` (exit 0) or `no NAME is NOT a member of
GROUP` (67); an absent group is `Group not found.` (64). Source: reference/macos.md §5;
dseditgroup(8).
"""

import getopt
import os
import pwd

from ..calls import record
from . import accounts, directory
from .console import complain, is_root
from .directory import Record

USAGE = "Usage: dseditgroup [-pqv] [-o operation] [-m user] [-n nodename] … groupname"


def main(argv: list[str]) -> int:
    """Run `dseditgroup [-o OPERATION] [options] GROUP`."""
    try:
        pairs, names = getopt.getopt(argv[1:], "o:pqvm:n:u:P:a:d:t:T:i:g:r:k:c:s:S:f:L")
    except getopt.GetoptError:
        pairs, names = [], []
    options = dict(pairs)
    operation = options.get("-o", "read")
    record(argv, mutates=operation not in {"read", "checkmember"})
    if len(names) != 1:
        complain(USAGE)
        return 64
    if operation == "checkmember":
        return checkmember(names[0], options.get("-m"))
    if operation == "read":
        return read(names[0])
    if not is_root():
        complain("Insufficient privileges to perform requested operation.")
        return 77
    action = {"create": create, "delete": delete, "edit": edit}.get(operation)
    return action(names[0], pairs) if action else 64


def checkmember(group: str, user: str | None) -> int:
    """Say whether `user` (or the caller) is in the group, by list or primary group."""
    node = directory.load()
    name = user or pwd.getpwuid(os.geteuid()).pw_name
    if group not in node.groups:
        complain("Group not found.")
        return 64
    if name not in node.users:
        complain("User not found.")
        return 64
    inside = name in node.members(node.groups[group])
    print(f"{'yes' if inside else 'no'} {name} is {'' if inside else 'NOT '}a member of {group}")
    return 0 if inside else 67


def read(group: str) -> int:
    """Print the group's attributes."""
    found = directory.load().groups.get(group)
    if found is None:
        complain("Group not found.")
        return 64
    for attribute, values in sorted(found.attributes.items()):
        print(f"{attribute} -\n" + "\n".join(f"\t\t{value}" for value in values))
    return 0


def create(group: str, pairs: list[tuple[str, str]]) -> int:
    """-o create [-i GID] [-r REALNAME]."""
    options = dict(pairs)
    with directory.editing() as node:
        gid = options.get("-i", str(node.next_gid()))
        if group not in node.groups:
            node.groups[group] = Record(group, {"PrimaryGroupID": [gid], "RealName": [group]})
        if "-r" in options:
            node.groups[group].attributes["RealName"] = [options["-r"]]
    return 0


def delete(group: str, _pairs: list[tuple[str, str]]) -> int:
    """-o delete."""
    with directory.editing() as node:
        if node.groups.pop(group, None) is None:
            complain("Group not found.")
            return 64
    return 0


def edit(group: str, pairs: list[tuple[str, str]]) -> int:
    """-o edit (-a | -d) MEMBER [-t user]."""
    with directory.editing() as node:
        if group not in node.groups:
            complain("Group not found.")
            return 64
        for option, member in pairs:
            if option not in {"-a", "-d"}:
                continue
            if member not in node.users and member not in node.groups:
                complain("Record was not found.")
                return 64
            (accounts.join if option == "-a" else accounts.leave)(node, group, member)
    return 0
