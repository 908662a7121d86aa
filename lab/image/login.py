"""Homes, the login keychain, and the login that happens by itself at boot."""

import json

from .accounts import User
from .tree import Tree

CIPHER = bytes.fromhex("7d895223d2bcddeaa3b91f")
BLOCK = 12
FOLDERS = (
    "Desktop", "Documents", "Downloads", "Library", "Library/Application Support",
    "Library/Keychains", "Library/LaunchAgents", "Library/Logs", "Library/Preferences", "Movies",
    "Music", "Pictures",
)  # fmt: skip


def write_home(tree: Tree, user: User) -> None:
    """Make the home of a user who has logged in before: folders and a login keychain."""
    tree.make(user.home, mode=0o750, owner=user.owner)
    for name in FOLDERS:
        tree.make(f"{user.home}/{name}", mode=0o700, owner=user.owner)
    tree.make(f"{user.home}/Public", owner=user.owner)
    keychain = json.dumps({"password": "", "items": []})
    path = f"{user.home}/Library/Keychains/login.keychain-db"
    tree.write(path, keychain, mode=0o600, owner=user.owner)


def kcpassword(password: str) -> bytes:
    """Encode /etc/kcpassword: XOR, NUL-terminated, padded to a multiple of 12.

    Source: reference/macos.md §5 ("Auto-login").
    """
    plain = password.encode() + b"\0"
    plain += bytes(-len(plain) % BLOCK)
    return bytes(byte ^ CIPHER[i % len(CIPHER)] for i, byte in enumerate(plain))


def write_auto_login(tree: Tree, user: User, password: bytes) -> None:
    """Let the user be logged in at boot; `password` is the content of /etc/kcpassword."""
    tree.write("/private/etc/kcpassword", password, mode=0o600)
    settings = {"autoLoginUser": user.name, "lastUserName": user.name}
    tree.plist("/Library/Preferences/com.apple.loginwindow.plist", settings)
