"""What a GUI login does to the login keychain: unlocks it, if the password is the keychain's own.

The first login gives the keychain its password, and makes it where there is none. An account's
password that root changed is not the keychain's: it stays locked, and what needs it (a VM) fails.
Source: reference/macos.md §5, reference/tart.md §4. The file is the one that the `security`
stand-in keeps: JSON with `password` (a crypt hash, "" for the account's) and `items`.
"""

import contextlib
import json
import os
import pwd
from typing import Any

from . import log, passwords, paths

FILE = "Library/Keychains/login.keychain-db"


def unlock(account: pwd.struct_passwd, password: str) -> None:
    """Mark the login keychain as unlocked, unless it has another password."""
    file = os.path.join(paths.at(account.pw_dir), FILE)
    content = _content(file)
    if not content["password"]:
        content["password"] = passwords.hashed(password or " ")
        _write(file, account, content)
    elif not passwords.matches(password or " ", content["password"]):
        log.write("loginwindow", "the login keychain has another password: it stays locked")
        return
    marker = _marker(account.pw_uid)
    with open(marker, "w", encoding="ascii"):
        os.chown(marker, account.pw_uid, account.pw_gid)


def lock(uid: int) -> None:
    """Mark the login keychain as locked."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_marker(uid))


def _marker(uid: int) -> str:
    return paths.at(paths.KEYCHAIN_UNLOCKED.format(uid=uid))


def _content(file: str) -> dict[str, Any]:
    """Return a keychain's content, a new one's where there is none that can be read."""
    new: dict[str, Any] = {"password": "", "items": []}
    try:
        with open(file, encoding="utf-8") as stream:
            new.update(json.load(stream))
    except (OSError, ValueError, TypeError):
        return new
    return new


def _write(file: str, account: pwd.struct_passwd, content: dict[str, Any]) -> None:
    folder = os.path.dirname(file)
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o700)
        for path in (os.path.dirname(folder), folder):
            os.chown(path, account.pw_uid, account.pw_gid)
    with open(file, "w", encoding="utf-8") as stream:
        json.dump(content, stream)
    os.chown(file, account.pw_uid, account.pw_gid)
    os.chmod(file, 0o600)
