"""What npm's lock files name: the packages that fit a machine, with their hashes.

Standard library only. Source: npm's documentation of package-lock.json (`packages`, version 2 and
later); npm-install-checks for `os`, `cpu` and `libc`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

NAME = re.compile(r"(?:@[A-Za-z0-9._~-]+/)?[A-Za-z0-9._~-]+")
VERSION = re.compile(r"[0-9A-Za-z.+-]+")


class LockError(ValueError):
    """A lock that cannot be installed from a cache; the text says why."""


@dataclass(frozen=True, order=True)
class Locked:
    """One package of a lock: `integrity` is what npm checks, `sha512-…` in base64."""

    name: str
    version: str
    integrity: str
    resolved: str

    @property
    def sha512(self) -> str:
        """The integrity's SHA-512 in hex."""
        return _sha512(self.integrity) or ""

    def url(self, registry: str) -> str:
        """Return where its tarball is in the registry that npm is set to.

        A lock that was made with another registry names that one; the hash holds whoever serves
        it, and npm replaces the public registry's name likewise (`replace-registry-host`).
        """
        base = registry.rstrip("/")
        if self.resolved.startswith(f"{base}/"):
            return self.resolved
        return f"{base}/{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"


@dataclass(frozen=True)
class Machine:
    """A kind of machine in Node's words: `process.platform` and `process.arch`."""

    os: str
    cpu: str


def packages(text: str, machine: Machine) -> tuple[Locked, ...]:
    """Return what `npm ci` would fetch there, each once. Raises LockError."""
    try:
        entries: Mapping[str, Mapping[str, Any]] = json.loads(text)["packages"]
    except (ValueError, KeyError, TypeError) as error:
        raise LockError("is no package-lock.json of version 2 or 3") from error
    found = set()
    for place, entry in entries.items():
        # A place outside node_modules is a folder of the project itself.
        own = "node_modules/" not in place or entry.get("link") or entry.get("inBundle")
        if own or not _fits(entry, machine):
            continue
        found.add(_locked(place, entry))
    return tuple(sorted(found))


def _locked(place: str, entry: Mapping[str, Any]) -> Locked:
    name = str(entry.get("name") or place.rpartition("node_modules/")[2])
    version, resolved = str(entry.get("version", "")), str(entry.get("resolved", ""))
    if urlsplit(resolved).scheme not in {"https", ""}:
        raise LockError(f"takes {name} from {resolved}, and only a registry can be cached")
    if not NAME.fullmatch(name) or not VERSION.fullmatch(version):
        raise LockError(f"names a package {name!r} {version!r}")
    integrity = str(entry.get("integrity", ""))
    strong = next((one for one in integrity.split() if _sha512(one)), None)
    if strong is None:
        raise LockError(f"has no sha512 for {name} {version}, so nothing could be checked")
    return Locked(name, version, strong, resolved)


def _sha512(integrity: str) -> str | None:
    algorithm, _, encoded = integrity.partition("-")
    try:
        digest = base64.b64decode(encoded.partition("?")[0], validate=True)
    except binascii.Error:
        return None
    return digest.hex() if algorithm == "sha512" and len(digest) == 64 else None


def _fits(entry: Mapping[str, Any], machine: Machine) -> bool:
    """Tell whether npm would install it there: a list holds what fits, or with `!` what does not.

    `libc` is Linux's; npm lets everything pass elsewhere, and what is too much is only fetched.
    """
    for field, own in (("os", machine.os), ("cpu", machine.cpu)):
        listed = entry.get(field) or []
        wanted = [one for one in listed if not one.startswith("!")]
        if f"!{own}" in listed or (wanted and own not in wanted):
            return False
    return True
