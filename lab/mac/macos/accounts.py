"""What dscl, sysadminctl, dseditgroup and passwd do to accounts, without their manners."""

import os
import shutil
import uuid

from . import directory, passwords, paths
from .directory import Node, Record

STANDARD_FOLDERS = (
    "Desktop",
    "Documents",
    "Downloads",
    "Library",
    "Library/Preferences",
    "Library/Keychains",
    "Library/LaunchAgents",
    "Library/Logs",
    "Library/Application Support",
    "Movies",
    "Music",
    "Pictures",
    "Public",
)
SHARED_MODE = {"Public": 0o755}


def set_password(record: Record, password: str) -> None:
    """Give the user a password (an empty one is a locked account for sshd)."""
    record.password = passwords.hash(password) if password else "*"
    record.attributes["AuthenticationAuthority"] = [";ShadowHash;HASHLIST:<SALTED-SHA512-PBKDF2>"]


def add_user(node: Node, name: str, attributes: directory.Attributes, password: str | None) -> None:
    """Add a whole user record."""
    record = Record(name, {"GeneratedUID": [str(uuid.uuid4()).upper()], **attributes})
    if password is not None:
        set_password(record, password)
    node.users[name] = record


def join(node: Node, group: str, user: str) -> bool:
    """Put the user in the group; return whether that changed anything."""
    members = node.groups[group].attributes.setdefault("GroupMembership", [])
    if user in members:
        return False
    members.append(user)
    return True


def leave(node: Node, group: str, user: str) -> bool:
    """Take the user out of the group; return whether that changed anything."""
    members = node.groups[group].attributes.get("GroupMembership", [])
    if user not in members:
        return False
    members.remove(user)
    return True


def remove_user(node: Node, name: str) -> None:
    """Remove the user's record and memberships."""
    del node.users[name]
    for group in node.groups:
        leave(node, group, name)


def create_home(record: Record) -> bool:
    """Make the home folder from the user template; return False when it exists already."""
    home = paths.at(record.first("NFSHomeDirectory"))
    if home.exists():
        return False
    owner = int(record.first("UniqueID")), int(record.first("PrimaryGroupID", "20"))
    home.mkdir(parents=True)
    home.chmod(0o750)
    for name in STANDARD_FOLDERS:
        folder = home / name
        folder.mkdir()
        folder.chmod(SHARED_MODE.get(name, 0o700))
        os.chown(folder, *owner)
    os.chown(home, *owner)
    return True


def remove_home(record: Record) -> None:
    """Remove the home folder, if it is one of a person."""
    home = record.first("NFSHomeDirectory")
    if home.startswith("/Users/") and len(home) > len("/Users/"):
        shutil.rmtree(paths.at(home), ignore_errors=True)
