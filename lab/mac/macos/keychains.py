"""Keychain files of the lab: items, a password, and whether they are unlocked.

The login keychain's state is the marker /private/var/run/keychain-unlocked-<uid>, which an
auto-login session sets; over SSH it is what that session left. The system keychain is open for
root only. Source: reference/macos.md §1.7, §10.
"""

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import passwords, paths, preferences
from .console import complain

SYSTEM = "/Library/Keychains/System.keychain"


TEXTS = {
    36: "User interaction is not allowed.",
    44: "The specified item could not be found in the keychain.",
    45: "The specified item already exists in the keychain.",
    48: "A keychain with the same name already exists.",
    50: "The specified keychain could not be found.",
    51: "The user name or passphrase you entered is not correct.",
    100: "UNIX[Operation not permitted]",
}


def fail(call: str, status: int) -> int:
    """Print an error as security does; return its status."""
    complain(f"security: {call}: {TEXTS[status]}")
    return status


@dataclass
class Keychain:
    """One keychain file."""

    path: str

    @property
    def file(self) -> Path:
        """Return its place in the lab machine."""
        return paths.at(self.path)

    def exists(self) -> bool:
        """Say whether the file is there."""
        return self.file.exists() or self.path == SYSTEM

    def data(self) -> dict[str, Any]:
        """Return its content; an empty keychain for a file that is none of ours."""
        try:
            return dict(json.loads(self.file.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {"password": "", "items": []}

    def save(self, data: dict[str, Any]) -> None:
        """Write its content. Raises OSError."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.file.with_name(f".{self.file.name}.new")
        temporary.write_text(json.dumps(data, indent=1), encoding="utf-8")
        temporary.chmod(0o644 if self.path == SYSTEM else 0o600)
        temporary.replace(self.file)

    def unlocked(self) -> bool:
        """Say whether its secrets can be read now by the caller."""
        if self.path == SYSTEM:
            return os.geteuid() == 0
        if self.is_login():
            return self._marker().exists()
        return bool(self.data().get("unlocked"))

    def set_unlocked(self, unlocked: bool) -> None:
        """Lock or unlock it."""
        if self.is_login():
            with contextlib.suppress(FileNotFoundError):
                self._marker().touch() if unlocked else self._marker().unlink()
        elif self.path != SYSTEM:
            self.save({**self.data(), "unlocked": unlocked})

    def opens_with(self, password: str) -> bool:
        """Say whether this is the keychain's password."""
        stored = self.data().get("password", "")
        if not stored:
            # Never set by anybody: it was made at the first login, with the account's password.
            return _account_accepts(password)
        return passwords.verify(password or " ", stored)

    def set_password(self, password: str) -> None:
        """Give it a password."""
        # An empty password is allowed for keychains, and crypt needs something to hash.
        self.save({**self.data(), "password": passwords.hash(password or " ")})

    def is_login(self) -> bool:
        """Say whether it is the caller's login keychain."""
        return self.path == f"{preferences.home()}/Library/Keychains/login.keychain-db"

    def _marker(self) -> Path:
        return paths.at(f"/private/var/run/keychain-unlocked-{os.geteuid()}")


def named(name: str | None) -> Keychain:
    """Return the keychain of a path or a name in ~/Library/Keychains (`.keychain` gets `-db`)."""
    if not name:
        return default()
    if "/" not in name:
        name = f"{preferences.home()}/Library/Keychains/{name}"
    if name.endswith(".keychain") and name != SYSTEM:
        name += "-db"
    return Keychain(name)


def default() -> Keychain:
    """Return the default keychain: root's is the system's, others' what is set or the login one."""
    if os.geteuid() == 0:
        return Keychain(SYSTEM)
    return Keychain(setting("default", f"{preferences.home()}/Library/Keychains/login.keychain-db"))


def search_list() -> list[Keychain]:
    """Return the keychains that are searched, in order."""
    own = setting("list", [default().path])
    return [Keychain(path) for path in [*own, *([SYSTEM] if SYSTEM not in own else [])]]


def setting(name: str, otherwise: Any) -> Any:
    """Return one of the caller's keychain settings."""
    return (preferences.read(_settings()) or {}).get(name, otherwise)


def set_setting(name: str, value: Any) -> None:
    """Store one of the caller's keychain settings."""
    preferences.write(_settings(), {**(preferences.read(_settings()) or {}), name: value})


def _settings() -> Path:
    return preferences.file_of("com.apple.security")


def _account_accepts(password: str) -> bool:
    """Say whether it is the account's password; where shadow is unreadable, any but empty is."""
    import pwd  # noqa: PLC0415 - one question

    from . import directory  # noqa: PLC0415

    user = directory.load().users.get(pwd.getpwuid(os.geteuid()).pw_name)
    if user is None or not user.password.startswith("$"):
        return bool(password)
    return passwords.verify(password, user.password)
