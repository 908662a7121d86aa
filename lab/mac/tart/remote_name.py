"""Names of images in a registry: host/namespace[:tag|@sha256:…]. Source: RemoteName.swift."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .errors import TartError

_PART = r"[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*"
_NAME = re.compile(
    rf"(?P<host>{_PART}(?::\d+)?)/(?P<namespace>{_PART}(?:/{_PART})*)"
    r"(?P<reference>:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})?",
    re.ASCII,
)


@dataclass(frozen=True)
class RemoteName:
    """An image's name; `reference` is `:tag` or `@sha256:…`."""

    host: str
    namespace: str
    reference: str = ":latest"

    def __str__(self) -> str:
        return f"{self.host}/{self.namespace}{self.reference}"

    @property
    def value(self) -> str:
        """The reference without its sign: what a registry and the cache are asked for."""
        return self.reference[1:]

    def at(self, digest: str) -> RemoteName:
        """Return the same image by content."""
        return replace(self, reference=f"@{digest}")


def parse(text: str) -> RemoteName:
    """Read a name. Raises TartError for anything else, a local VM's name included."""
    match = _NAME.fullmatch(text)
    if not match:
        raise TartError(f"failed to parse remote name: mismatched input '{text}' (character 1)")
    return RemoteName(match["host"], match["namespace"], match["reference"] or ":latest")


def parse_or_none(text: str) -> RemoteName | None:
    """Read a name; None where it names no image of a registry."""
    try:
        return parse(text)
    except TartError:
        return None
