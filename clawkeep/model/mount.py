"""Folders of the host that the guest sees."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from clawkeep.model.base import Declared, printable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
SHARED_FOLDER = PurePosixPath("/Volumes/My Shared Files")
"""Where the guest finds named shares. Source: reference/tart.md §7."""

PRIVATE = frozenset(
    {
        *(".ssh", ".gnupg", ".gpg", ".aws", ".azure", ".gcloud", ".kube", ".docker", ".env"),
        *(".netrc", ".npmrc", ".pypirc", ".secret", "credentials", "private_key"),
        *("id_rsa", "id_ed25519", "keychains", ".tart"),
    }
)
"""Path components that no guest may see. Source: reference/nanoclaw.md §1.9, and our own."""

SYSTEM = frozenset(
    {
        *("/", "/Users", "/System", "/Library", "/Volumes", "/dev", "/opt", "/usr"),
        *("/private", "/etc", "/private/etc", "/var", "/private/var", "/var/root"),
    }
)


def mount_name(name: str) -> str:
    """Return `name` when it can name a share, raise ValueError otherwise."""
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot name a mount: take up to 63 letters, digits, dots, hyphens and "
            "underscores, beginning with a letter or digit"
        )
    return name


def host_folder(path: str) -> str:
    """Return a host path that may be shared, raise ValueError otherwise.

    `tart run --dir` splits at colons and reads its options from the last part, so a path with a
    colon would silently mean something else. Source: reference/tart.md §1.5.
    """
    printable(path)
    if ":" in path:
        raise ValueError(f"{path!r} holds a colon, at which tart splits --dir; rename the folder")
    if not path.startswith(("/", "~/")):
        raise ValueError(f"{path!r} must begin with / or ~/")
    if str(PurePosixPath(path)) != path or ".." in PurePosixPath(path).parts:
        raise ValueError(f"{path!r} must be written plainly: no `..`, `.`, `//` or final `/`")
    _not_too_much(path)
    return path


def _not_too_much(path: str) -> None:
    parts = PurePosixPath(path).parts
    if path in SYSTEM or path == "~" or (len(parts) == 3 and path.startswith("/Users/")):
        raise ValueError(f"{path!r} is a whole home or system folder; share a folder inside it")
    for part in parts:
        if part.casefold() in PRIVATE:
            raise ValueError(f"{path!r} leads into {part!r}, where secrets live; share another")


class Mount(Declared):
    """A host folder under a name in the guest's shared folder."""

    name: Annotated[str, AfterValidator(mount_name)]
    path: Annotated[str, AfterValidator(host_folder)]
    read_only: bool = Field(default=True, description="Enforced by the host.")

    @property
    def guest_path(self) -> PurePosixPath:
        """Where the guest finds the folder."""
        return SHARED_FOLDER / self.name

    def at(self, home: str) -> str:
        """Return the host path with `~` replaced by `home`, an absolute path."""
        return str(PurePosixPath(home) / self.path[2:]) if self.path.startswith("~/") else self.path

    def __str__(self) -> str:
        return f"{self.name}:{self.path}{':ro' if self.read_only else ''}"


def parse_mount(text: str) -> Mount:
    """Read `name:path[:ro]`, the form of `tart run --dir`; without `:ro` it is writable.

    Raises ValueError (pydantic's ValidationError is one) for anything else.
    """
    name, colon, rest = text.partition(":")
    if not colon or name.startswith(("/", "~")):
        raise ValueError(f"{text!r} has no name; write name:path or name:path:ro")
    path = rest.removesuffix(":ro")
    return Mount(name=name, path=path, read_only=rest.endswith(":ro"))


def as_mount(value: Any) -> Any:
    """Turn the `name:path[:ro]` form into a mount; leave anything else to the model."""
    return parse_mount(value) if isinstance(value, str) else value


def mount_conflicts(mounts: Sequence[Mount], home: str = "/Users/<home>") -> Iterator[str]:
    """Yield a sentence for each pair of mounts that share a name or overlap on the host.

    Two shares of one name: tart keeps the last, silently. Overlapping folders could be read-only
    by one name and writable by the other. Compared as APFS does: without regard to case.
    """
    for index, mount in enumerate(mounts):
        for other in mounts[:index]:
            if mount.name.casefold() == other.name.casefold():
                yield f"two mounts are called {mount.name!r}"
            a, b = _folded(mount.at(home)), _folded(other.at(home))
            if a == b or a in b.parents or b in a.parents:
                yield f"mounts {other.name!r} and {mount.name!r} overlap on the host"


NANOCLAWS = frozenset({"groups", "ipc", "sessions", "data", "logs", "store"})
"""Folders that NanoClaw writes while it runs. Source: reference/nanoclaw.md §1.2, §1.9."""


def agent_mount_conflicts(mounts: Sequence[Mount]) -> Iterator[tuple[int, str]]:
    """Yield (index, sentence) for each mount that cannot be what an agent in the guest needs.

    NanoClaw's own folders are on the guest's disk: a share carries no file events, and SQLite's
    locks and native modules do not work on it. Source: features A4 to A6, C1.
    """
    for index, mount in enumerate(mounts):
        parts = [part.casefold() for part in PurePosixPath(mount.path).parts]
        name = mount.name.casefold()
        if "node_modules" in parts:
            yield (
                index,
                (
                    f"mount {mount.name!r} shares node_modules, which is built for one machine and one "
                    "Node; the guest has its own"
                ),
            )
        elif "store" in {name, parts[-1]}:
            yield (
                index,
                (
                    f"mount {mount.name!r} shares NanoClaw's SQLite files, whose locks do not hold on "
                    "a shared folder; they are in the guest, in /opt/nanoclaw/state/store"
                ),
            )
        elif mount.read_only and name in NANOCLAWS:
            yield (
                index,
                (
                    f"mount {mount.name!r} is read-only, and NanoClaw writes into a folder of that "
                    f"name (logs, conversations, CLAUDE.md); its own is in the guest, in "
                    f"/opt/nanoclaw/state. Call a copy for reading otherwise, such as "
                    f"'old-{mount.name}', or make it writable"
                ),
            )


def _folded(path: str) -> PurePosixPath:
    folded = unicodedata.normalize("NFD", path).casefold()
    return PurePosixPath(re.sub(r"^/private(?=/(etc|tmp|var)(/|$))", "", folded))
