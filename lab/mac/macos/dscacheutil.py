"""dscacheutil, dsmemberutil: what the directory's clients see, and flushing their caches."""

from ..calls import record
from . import directory
from .console import complain, is_root
from .directory import Record


def main(argv: list[str]) -> int:
    """Run dscacheutil -flushcache | -q user|group|host [-a KEY VALUE], or dsmemberutil."""
    words = argv[1:]
    record(argv, mutates="-flushcache" in words)
    if argv[0].endswith("dsmemberutil"):
        return membership(words)
    if words[:1] == ["-flushcache"]:
        return 0 if is_root() else 1
    if words[:1] == ["-q"] and len(words) >= 2:
        key, value = (words[3], words[4]) if len(words) >= 5 else ("", "")
        return query(words[1], key, value)
    complain("Usage: dscacheutil -h | -q category [-a key value] | -flushcache …")
    return 1


def query(category: str, key: str, value: str) -> int:
    """Print the entries of a category that match."""
    node = directory.load()
    if category == "user":
        for user in node.users.values():
            if not key or value in {user.name, user.first("UniqueID")}:
                print(_user(user))
    elif category == "group":
        for group in node.groups.values():
            if not key or value in {group.name, group.first("PrimaryGroupID")}:
                members = " ".join(group.attributes.get("GroupMembership", []))
                gid = group.first("PrimaryGroupID")
                print(f"name: {group.name}\npassword: *\ngid: {gid}\nusers: {members}\n")
    elif category == "host":
        _host(value)
    else:
        complain(f"dscacheutil: unknown category {category}")
        return 1
    return 0


def _user(user: Record) -> str:
    return (
        f"name: {user.name}\npassword: ********\nuid: {user.first('UniqueID')}\n"
        f"gid: {user.first('PrimaryGroupID')}\ndir: {user.first('NFSHomeDirectory')}\n"
        f"shell: {user.first('UserShell')}\ngecos: {user.first('RealName')}\n"
    )


def _host(name: str) -> None:
    import socket  # noqa: PLC0415 - only this query needs it

    try:
        found = {info[4][0] for info in socket.getaddrinfo(name, None, socket.AF_INET)}
    except OSError:
        return
    print(f"name: {name}")
    for address in sorted(str(a) for a in found):
        print(f"ip_address: {address}")
    print()


def membership(words: list[str]) -> int:
    """Run `dsmemberutil checkmembership -U USER -G GROUP`."""
    if words[:1] == ["flushcache"]:
        return 0
    options = dict(zip(words[1::2], words[2::2], strict=False))
    node = directory.load()
    user, group = options.get("-U", ""), options.get("-G", "")
    if user not in node.users or group not in node.groups:
        missing = "user" if user not in node.users else "group"
        print(f"The {missing} {user if missing == 'user' else group} cannot be found")
        return 1
    inside = user in node.members(node.groups[group])
    print(f"user is {'' if inside else 'not '}a member of the group")
    return 0
