"""Host keys pinned by guest name, never by address.

A guest's address changes with its MAC and is recycled, so an entry by address proves nothing
(reference/tart.md §1.9). The key is learned once over vsock (`tart exec`), a channel that no
network can stand in, and afterwards every connection must present it.
"""

from __future__ import annotations

import os
from pathlib import Path

from pyinfra.connectors.sshuserclient.client import get_host_keys

#: The one key type that is pinned; sshd offers it on every macOS.
KEY_FILE = "/etc/ssh/ssh_host_ed25519_key.pub"


class Pin:
    """The pinned host key of one guest: a known_hosts file with one line."""

    def __init__(self, folder: Path, guest: str) -> None:
        self.guest = guest
        self.path = folder / "known_hosts"
        self._rotating = folder / "rotating"
        self._entered = folder / "entered"

    def trusted(self) -> bool:
        """Tell whether a key is pinned and no rotation was cut short."""
        return self.path.exists() and not self._rotating.exists()

    @property
    def entered(self) -> bool:
        """Tell whether our key has opened this guest before: then no password is ever tried."""
        return self._entered.exists()

    def note_entry(self) -> None:
        """Note that our key has opened this guest."""
        self._entered.touch(mode=0o600)

    def begin_rotation(self) -> None:
        """Note that the guest's key is about to change, so that a killed run can recover."""
        self._rotating.touch(mode=0o600)

    def write(self, public_key: str) -> None:
        """Pin `public_key` (the text of a `ssh_host_*_key.pub` file) and end any rotation.

        Raises ValueError when the text is no ed25519 public key.
        """
        words = public_key.split()
        if len(words) < 2 or words[0] != "ssh-ed25519":
            raise ValueError(f"{self.guest}: expected an ed25519 host key, got {public_key!r}")
        temporary = self.path.with_suffix(f".{os.getpid()}.new")
        temporary.write_text(f"{self.guest} {words[0]} {words[1]}\n")
        temporary.replace(self.path)
        self._rotating.unlink(missing_ok=True)
        forget_cached_keys()

    def forget(self) -> None:
        """Drop the pin: the guest it belonged to no longer exists."""
        self.path.unlink(missing_ok=True)
        self._entered.unlink(missing_ok=True)
        forget_cached_keys()


def forget_cached_keys() -> None:
    """Make pyinfra read known_hosts files again: it remembers them for the whole process.

    Source: reference/pyinfra.md §2.5.
    """
    get_host_keys.cache.clear()
