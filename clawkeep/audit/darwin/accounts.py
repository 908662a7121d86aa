"""`host.user` and `host.group` on macOS: the directory, through `dscl`. There is no getent.

A value with a blank in it is printed on the next line, a key without a value ends in a colon; a
record that is not there is exit status 56 (eDSRecordNotFound). Source: lab/facts/macos.md.
"""

from __future__ import annotations

import functools

from testinfra.modules.group import Group
from testinfra.modules.user import User

ABSENT = 56


def record(text: str) -> dict[str, str]:
    """Return what `dscl . -read` prints, by key."""
    found: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if line.startswith(" ") and key:
            found[key] = f"{found[key]} {line.strip()}".strip()
        else:
            key, _, value = line.partition(":")
            found[key] = value.strip()
    return found


class DarwinUser(User):
    """Users.

    >>> host.user("_www").shell
    '/usr/bin/false'
    """

    @functools.cached_property
    def _record(self) -> dict[str, str] | None:
        done = self.run_expect([0, ABSENT], "dscl . -read %s", f"/Users/{self.name}")
        return record(done.stdout) if done.rc == 0 else None

    def _value(self, key: str) -> str:
        if self._record is None:
            raise RuntimeError(f"the directory knows no user {self.name}")
        return self._record.get(key, "")

    @property
    def exists(self) -> bool:
        """Tell whether the directory has such a user."""
        return self._record is not None

    @property
    def uid(self) -> int:
        """Return the user ID."""
        return int(self._value("UniqueID"))

    @property
    def gid(self) -> int:
        """Return the ID of the user's own group."""
        return int(self._value("PrimaryGroupID"))

    @property
    def home(self) -> str:
        """Return the home folder."""
        return self._value("NFSHomeDirectory")

    @property
    def shell(self) -> str:
        """Return the login shell."""
        return self._value("UserShell")

    @property
    def gecos(self) -> str:
        """Return the full name."""
        return self._value("RealName")

    @property
    def has_password(self) -> bool:
        """Tell whether there is one: a hash is kept (the directory itself shows only stars)."""
        return "ShadowHash" in self._value("AuthenticationAuthority")

    @property
    def get_local_users(self) -> list[str]:
        """Return the names of all users of this machine's own directory."""
        return list(self.check_output("dscl . -list /Users").split())


class DarwinGroup(Group):
    """Groups.

    >>> host.group("admin").members
    ['root', 'me']
    """

    @functools.cached_property
    def _record(self) -> dict[str, str] | None:
        done = self.run_expect([0, ABSENT], "dscl . -read %s", f"/Groups/{self.name}")
        return record(done.stdout) if done.rc == 0 else None

    @property
    def exists(self) -> bool:
        """Tell whether the directory has such a group."""
        return self._record is not None

    @property
    def gid(self) -> int:
        """Return the group ID."""
        return int((self._record or {})["PrimaryGroupID"])

    @property
    def members(self) -> list[str]:
        """Return the users that the group names, and those whose own group it is."""
        if self._record is None:
            return []
        named = self._record.get("GroupMembership", "").split()
        own = (line.split() for line in
               self.check_output("dscl . -list /Users PrimaryGroupID").splitlines())  # fmt: skip
        number = self._record.get("PrimaryGroupID")
        return list(dict.fromkeys([*named, *(w[0] for w in own if w[1:] == [number])]))

    @property
    def get_local_groups(self) -> list[str]:
        """Return the names of all groups of this machine's own directory."""
        return list(self.check_output("dscl . -list /Groups").split())
