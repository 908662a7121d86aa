"""Auto-login: whether the machine comes up in a GUI session, and whose.

A password that does not match the account leaves the Mac at its login window, without gui/<uid>.
Source: reference/macos.md §5 (XOR key, /etc/kcpassword root 0600, autoLoginUser).
"""

import contextlib
import os
import plistlib
import pwd

from . import keychain, log, passwords, paths
from .spawn import temporary_folder

XOR_KEY = bytes.fromhex("7D895223D2BCDDEAA3B91F")
SUBJECT = "loginwindow"


def decode_kcpassword(data: bytes) -> str:
    """Return the password in the bytes of /etc/kcpassword: XORed, ended by NUL, then padding."""
    plain = bytes(byte ^ XOR_KEY[index % len(XOR_KEY)] for index, byte in enumerate(data))
    return plain.split(b"\0")[0].decode(errors="replace")


def password_hash(user: str) -> str | None:
    """Return the account's hash from the shadow file; None for an unknown account."""
    try:
        with open(paths.at(paths.SHADOW), encoding="utf-8") as file:
            for line in file:
                fields = line.rstrip("\n").split(":")
                if fields[0] == user and len(fields) > 1:
                    return fields[1]
    except OSError:
        return None
    return None


def auto_login_user() -> str | None:
    """Return the user that loginwindow is told to log in, if any."""
    try:
        with open(paths.at(paths.LOGINWINDOW), "rb") as file:
            value = plistlib.load(file).get("autoLoginUser")
    except (OSError, plistlib.InvalidFileException, ValueError):
        return None
    return value if isinstance(value, str) and value else None


def decide() -> pwd.struct_passwd | None:
    """Return the account to log in; None means the login window, and the log says why."""
    name = auto_login_user()
    if name is None:
        log.write(SUBJECT, "no auto-login user: waiting at the login window")
        return None
    reason = _refusal(name)
    if reason:
        log.write(SUBJECT, f"auto-login of {name} failed: {reason}: stuck at the login window")
        return None
    return pwd.getpwnam(name)


def _refusal(name: str) -> str | None:
    place = paths.at(paths.KCPASSWORD)
    try:
        facts = os.stat(place)
        password = _password()
    except OSError:
        return "no kcpassword"
    if facts.st_uid != 0 or facts.st_mode & 0o077:
        return "kcpassword is not root's alone"
    try:
        pwd.getpwnam(name)
    except KeyError:
        return "no such account"
    stored = password_hash(name)
    if stored is None or not passwords.matches(password, stored):
        return "the password does not match"
    return None


def begin(account: pwd.struct_passwd) -> None:
    """Make what a session needs: a temporary folder, the console, the login keychain unlocked."""
    folder = paths.at(f"/private{temporary_folder(account.pw_uid)}").rstrip("/")
    os.makedirs(folder, exist_ok=True)
    for path in (os.path.dirname(folder), folder):
        os.chown(path, account.pw_uid, account.pw_gid)
        os.chmod(path, 0o700)
    with contextlib.suppress(OSError):
        os.chown("/dev/console", account.pw_uid, -1)
    keychain.unlock(account, _password())


def end(uid: int) -> None:
    """Undo what a logout undoes."""
    keychain.lock(uid)
    with contextlib.suppress(OSError):
        os.chown("/dev/console", 0, -1)


def _password() -> str:
    with open(paths.at(paths.KCPASSWORD), "rb") as file:
        return decode_kcpassword(file.read())
