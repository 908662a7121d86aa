"""Where the sealing key is: a file of the operator's, or an item of the macOS keychain.

It holds one key, or several: the first seals, all of them unseal. So a key is replaced without a
moment at which a sealed file has none that opens it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from clawkeep.secrets import keychain
from clawkeep.secrets.error import SecretError
from clawkeep.secrets.files import replace

KEY: Final = re.compile(r"clawkeep-key-([0-9a-f]{64})")
KEY_FILE: Final = "CLAWKEEP_SEALING_KEY_FILE"
KEYCHAIN: Final = "CLAWKEEP_SEALING_KEYCHAIN"
MOST_BYTES: Final = 64 * 1024


class KeyRing(Protocol):
    """A place for sealing keys."""

    @property
    def place(self) -> str:
        """Where it is, for messages."""

    def folders(self) -> tuple[Path, ...]:
        """Return the folders to hold while keys are changed; made when missing. Raises OSError."""

    def read(self) -> tuple[bytes, ...]:
        """Return the keys, none when there is no such place yet. Raises SecretError."""

    def write(self, keys: Sequence[bytes]) -> None:
        """Have exactly these keys there. Raises SecretError, and then nothing has changed."""


def key_ring(environment: Mapping[str, str] = os.environ) -> KeyRing:
    """Return the place that the environment names, else ~/.config/clawkeep/sealing.key.

    Raises SecretError when it names two.
    """
    file, item = environment.get(KEY_FILE), environment.get(KEYCHAIN)
    if file and item:
        raise SecretError(f"{KEY_FILE} and {KEYCHAIN} are both set; unset one")
    if item:
        service, slash, account = item.rpartition("/")
        if not (slash and service and account):
            raise SecretError(f"{KEYCHAIN}: expected service/account, such as clawkeep/sealing")
        return KeychainRing(service, account)
    if file:
        return FileRing(Path(file).expanduser())
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return FileRing(Path(base).expanduser() / "clawkeep" / "sealing.key")


@dataclass(frozen=True)
class FileRing:
    """A file of its owner's alone, one key a line."""

    path: Path

    @property
    def place(self) -> str:
        """The file's path."""
        return str(self.path)

    def folders(self) -> tuple[Path, ...]:
        """Return the file's folder, 0700 when it had to be made."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return (self.path.parent.resolve(),)

    def read(self) -> tuple[bytes, ...]:
        """Return its keys. A file that others may read is refused: it is no secret any more."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise SecretError(f"{self.path}: {error.strerror}") from error
        try:
            self._refuse(os.fstat(descriptor))
            content = os.read(descriptor, MOST_BYTES)
        finally:
            os.close(descriptor)
        return _keys(content.decode("ascii", errors="replace"), self.place)

    def _refuse(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise SecretError(f"{self.path} is no regular file; expected the sealing key there")
        if found.st_uid != os.geteuid():
            raise SecretError(f"{self.path} belongs to somebody else; expected a file of yours")
        if found.st_mode & 0o077:
            raise SecretError(
                f"others may read {self.path} (mode {stat.S_IMODE(found.st_mode):o}); run: "
                f"chmod 600 {self.path}; clawkeep secrets rotate"
            )

    def write(self, keys: Sequence[bytes]) -> None:
        """Replace the file, atomically."""
        text = "".join(f"clawkeep-key-{key.hex()}\n" for key in keys)
        try:
            replace(self.path, text.encode())
        except OSError as error:
            raise SecretError(f"{self.path}: {error.strerror}") from error


@dataclass(frozen=True)
class KeychainRing:
    """A generic password of the keychain, its keys separated by spaces."""

    service: str
    account: str

    @property
    def place(self) -> str:
        """The item's name."""
        return f"keychain item {self.service}/{self.account}"

    def folders(self) -> tuple[Path, ...]:
        """Return none: nothing is changed here."""
        return ()

    def read(self) -> tuple[bytes, ...]:
        """Return its keys. An item that is not there is an error: it was named."""
        try:
            text = keychain.password(self.service, self.account).reveal()
        except SecretError as error:
            raise SecretError(f"{self.place}: {error}") from error
        return _keys(text, self.place)

    def write(self, keys: Sequence[bytes]) -> None:  # noqa: ARG002 - as the protocol has it
        """Refuse: `security` takes a new password from its argv or from a person."""
        raise SecretError(
            f"{self.place} is yours to change, for `security` takes a password from its command "
            f"line or from a person. Copy the key into a file (0600), name that with {KEY_FILE} "
            "instead, run this again, and put the new key back with `security "
            f"add-generic-password -U -s {self.service} -a {self.account} -w`"
        )


def _keys(text: str, place: str) -> tuple[bytes, ...]:
    words = text.split()
    found = [KEY.fullmatch(word) for word in words]
    if not words or not all(found):
        raise SecretError(
            f"{place} holds something else than sealing keys; take it back from a backup. Without "
            "its key nothing that was sealed can be read"
        )
    return tuple(bytes.fromhex(match[1]) for match in found if match)
