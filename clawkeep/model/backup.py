"""What is backed up, where to, when, and for how long it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from clawkeep.model.base import Declared, Many, printable
from clawkeep.model.guest import Guest
from clawkeep.model.service import Service
from clawkeep.secrets.reference import Reference, parse

Location = tuple[str | int, ...]

AT = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}")
OWN = ("/opt/clawkeep", "/opt/nanoclaw", "/private/var/run", "/var/run", "/dev")


def _plain_path(path: str) -> str:
    printable(path)
    if "//" in path or ".." in path.split("/") or path.endswith("/"):
        raise ValueError(f"{path!r} must be written plainly: no `..`, `//` or final `/`")
    return path


def _folder(path: str) -> str:
    if not _plain_path(path).startswith("/"):
        raise ValueError(f"{path!r} must begin with /: it is a folder of the host, or the server")
    if path in {"/", "/Volumes"} or any(path == own or path.startswith(f"{own}/") for own in OWN):
        raise ValueError(f"{path!r} is no place for backups; take a folder of another disk")
    return path


def _guest_path(path: str) -> str:
    if not _plain_path(path).startswith(("/", "~/")):
        raise ValueError(f"{path!r} must begin with / or ~/: it is a folder of the guest")
    return path


def _reference(value: Any) -> str:
    # Whatever stands there may be the secret itself: no message shows it.
    return str(parse(value))


def time_of_day(text: str) -> str:
    """Return `text` when it is a time of day as in 03:15, raise ValueError otherwise."""
    if not AT.fullmatch(text):
        raise ValueError(f"{text!r} is no time of day; write it as 03:15, by the host's clock")
    return text


def _user(name: str) -> str:
    if not USER.fullmatch(name):
        raise ValueError(f"{name!r} is no user of an SSH server")
    return name


SecretText = Annotated[str, BeforeValidator(_reference)]
Folder = Annotated[str, AfterValidator(_folder)]


class Server(Declared):
    """A folder behind SSH: `service` is one of the allowlist's, of kind ssh; `key` logs in."""

    service: str
    user: Annotated[str, AfterValidator(_user)]
    path: Folder
    key: SecretText


class Keeping(Declared):
    """Of how many days, weeks and months the newest backup is kept, beside the `last` ones."""

    last: Annotated[int, Field(ge=1, le=1000)] = 1
    daily: Annotated[int, Field(ge=0, le=1000)] = 7
    weekly: Annotated[int, Field(ge=0, le=1000)] = 4
    monthly: Annotated[int, Field(ge=0, le=1000)] = 6


class Backup(Declared):
    """The declared backup; exactly one of `folder` and `server` says where to."""

    key: SecretText
    folder: Folder | None = None
    server: Server | None = None
    at: Annotated[str, AfterValidator(time_of_day)] = "03:15"
    keep: Keeping = Field(default_factory=Keeping)
    agent: bool = True
    host: bool = True
    guest_paths: Many[Annotated[str, AfterValidator(_guest_path)]] = ()
    secrets: bool = False
    logs: bool = False
    test_days: Annotated[int, Field(ge=1, le=365)] = 7
    max_gb: Annotated[int, Field(ge=1, le=100_000)] = 100

    @property
    def references(self) -> dict[str, Reference]:
        """The secrets that a backup needs, by what they are."""
        found = {"backup key": parse(self.key)}
        return {**found, "SSH key": parse(self.server.key)} if self.server else found


def backup_conflicts(
    backup: Backup, services: Sequence[Service], guest: Guest
) -> Iterator[tuple[Location, str]]:
    """Yield where a declared backup does not fit itself or the rest of the keep."""
    if (backup.folder is None) == (backup.server is None):
        both = "both are there" if backup.folder else "neither is there"
        yield ("backup",), f"exactly one of `folder` and `server` says where to; {both}"
    if not (backup.agent or backup.host or backup.guest_paths):
        yield ("backup",), "nothing is backed up: `agent` and `host` are off; leave it out (None)"
    for mount in guest.mounts:
        if backup.folder and _shared(backup.folder, mount.path):
            text = (
                f"{backup.folder} is shared with the guest (mount {mount.name!r}), which could "
                "remove its own backups; take a folder outside"
            )
            yield ("backup", "folder"), text
    if backup.server is None:
        return
    named = {service.name: service for service in services}
    service = named.get(backup.server.service)
    if service is None or service.kind != "ssh":
        ssh = ", ".join(s.name for s in services if s.kind == "ssh") or "it has none"
        yield (
            ("backup", "server", "service"),
            f"{backup.server.service!r} is no service of kind ssh in the allowlist ({ssh})",
        )


def _shared(folder: str, mount: str) -> bool:
    """Tell whether a folder lies in a shared one; `~` may be the home of anybody on the host."""
    if mount.startswith("~/"):
        parts = folder.split("/")
        return parts[1] == "Users" and _inside("/".join(parts[3:]), mount[2:])
    return _inside(folder, mount)


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
